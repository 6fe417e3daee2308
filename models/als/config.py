"""Hyperparameters of the family."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from pydantic import Field

from kuberec.training.config import ClosedFormConfig


class ALSConfig(ClosedFormConfig):
    """Alternating least squares; validation chooses one of each of the lists."""

    embedding_size: int = Field(64, ge=1, le=4096)
    """Length of the user and item vectors."""
    regularizations: tuple[float, ...] = Field((1.0, 10.0), min_length=1)
    """Weights of the squared length of the vectors to try."""
    alphas: tuple[float, ...] = Field((1.0, 10.0), min_length=1)
    """Weights of a positive to try; what was not taken has weight 1."""
    iterations: int = Field(15, ge=1)
    """Alternations between users and items."""

    @property
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        """Every pair of a regularization and an alpha."""
        pairs = product(self.regularizations, self.alphas)
        return tuple({"regularization": regularization, "alpha": alpha} for regularization, alpha in pairs)
