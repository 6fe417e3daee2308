"""Hyperparameters of the family."""

from pydantic import Field

from kuberec.training.config import GradientConfig


class MatrixFactorizationConfig(GradientConfig):
    """Matrix factorization: what all families share, with defaults of its own."""

    embedding_size: int = Field(128, ge=1, le=4096)
    """Length of the user and item vectors."""
    learning_rate: float = Field(0.003, gt=0, le=10)
    """Step size of Adam."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of the user vector's entries that a training step blanks."""
    regularization: float = Field(0.02, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
