"""Hyperparameters of the family."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from kuberec.training.config import ClosedFormConfig


class EASEConfig(ClosedFormConfig):
    """Ridge regression of each item on the others; validation chooses one of the regularizations."""

    history_length: int | None = Field(None, ge=1)
    """Most recent positives of a user that count in the user's scores; null: all. The weights are learned from all."""
    regularizations: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (10.0, 30.0, 100.0, 250.0, 600.0, 1500.0, 3000.0), min_length=1
    )
    """Weights of the squared weights to try; the more positives, the larger."""
    most_items: int = Field(20_000, ge=1)
    """Largest catalogue that is accepted; memory grows with its square, time with its cube."""

    @property
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        """Each regularization."""
        return tuple({"regularization": regularization} for regularization in self.regularizations)
