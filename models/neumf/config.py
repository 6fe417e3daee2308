"""Hyperparameters of the family."""

from pydantic import Field

from kuberec.training.config import InteractionConfig


class NeuMFConfig(InteractionConfig):
    """Neural matrix factorization: what all trained families share, with defaults of its own."""

    embedding_size: int = Field(64, ge=1, le=4096)
    """Length of the vectors of the factorization."""
    hidden_sizes: tuple[int, ...] = Field((32, 16), min_length=1)
    """Widths of the perceptron's layers; its user and item vectors are as long as the first."""
    regularization: float = Field(0.01, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of the user vector's entries that a training step blanks."""
    pretraining: int = Field(0, ge=0)
    """Passes that the factorization and the perceptron are each trained for on their own before they are joined."""
    factors_share: float = Field(0.5, ge=0, le=1)
    """Weight of the pretrained factorization's output when they are joined; the perceptron's gets the rest."""
    fine_tuning: float = Field(0.3, gt=0, le=1)
    """Share of the learning rate at which the joined parts are trained on: Adam's first steps are as large as ever."""
