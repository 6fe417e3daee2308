"""Hyperparameters of the family."""

from pydantic import Field

from kuberec.training.config import GradientConfig


class ContentBasedConfig(GradientConfig):
    """Content-based: what all trained families share, with defaults of its own."""

    learning_rate: float = Field(0.003, gt=0, le=10)
    """Step size of Adam."""
    regularization: float = Field(0.001, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
    hidden_sizes: tuple[int, ...] = (128,)
    """Widths of each tower's hidden layers; their output is added to the tower's input."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the entries of each tower's input that a training step blanks."""
