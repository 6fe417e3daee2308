"""Hyperparameters of the family."""

from pydantic import Field

from kuberec.training.config import GradientConfig


class TwoTowerConfig(GradientConfig):
    """Two towers over ids and features: what all trained families share, with defaults of its own."""

    regularization: float = Field(0.01, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
    hidden_sizes: tuple[int, ...] = Field((128,), min_length=1)
    """Widths of each tower's hidden layers; their output is added to the sum of the embeddings."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the embeddings' entries that a training step blanks."""
    id_dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the users and items that a training step treats as unknown, so that features answer for them."""
