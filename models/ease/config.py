"""Hyperparameters of the family."""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import Field

from kuberec.training.config import ClosedFormConfig


class EASEConfig(ClosedFormConfig):
    """Ridge regression of each item on the others; validation chooses its strength and how long a history counts."""

    history_length: int | None = Field(None, ge=1)
    """Most recent positives of a user that are held; null: all. The weights are learned from all."""
    history_lengths: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 20, 5), min_length=1)
    """How many of these, the most recent ones, count in the user's scores, to try; 0: all."""
    regularizations: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (10.0, 30.0, 100.0, 250.0, 600.0, 1500.0, 3000.0), min_length=1
    )
    """Weights of the squared weights to try; the more positives, the larger."""
    most_items: int = Field(20_000, ge=1)
    """Largest catalogue that is accepted; memory grows with its square, time with its cube."""

    @property
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        """Every pair of a regularization and a length; those of a regularization, which takes long, are together."""
        pairs = product(self.regularizations, self.history_lengths)
        return tuple({"regularization": strength, "history_length": length} for strength, length in pairs)
