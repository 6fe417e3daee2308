"""Hyperparameters of the family."""

from pydantic import Field

from kuberec.training.config import InteractionConfig


class WideDeepConfig(InteractionConfig):
    """Wide and deep: what all trained families share, with defaults of its own."""

    embedding_size: int = Field(32, ge=1, le=4096)
    """Length of the embeddings of ids and features that the deep part reads."""
    hidden_sizes: tuple[int, ...] = Field((64, 32), min_length=1)
    """Widths of the deep part's layers."""
    regularization: float = Field(0.001, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the embeddings' entries that a training step blanks."""
    id_dropout: float = Field(0.2, ge=0, lt=1)
    """Share of the users and items that a training step treats as unknown, so that features answer for them."""
