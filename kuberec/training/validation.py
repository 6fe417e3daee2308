"""The metrics that stop the training and choose among families, measured on the validation part."""

from typing import Protocol

import numpy as np

from kuberec.evaluation.metrics import Truth, hits, ranking_metrics
from kuberec.features import EncodedInteractions
from kuberec.recommender import Array

METRICS = ("ndcg", "recall")


class Ranks(Protocol):
    """What answers by index, as `FittedModel` does."""

    def rank(self, user: Array, k: int) -> tuple[Array, Array]:
        """Items `[B, k]` of users `[B]`, best first, and their scores."""


class Validation:
    """Full-catalogue ranking of the validation positives.

    Args:
        validation: The validation part; its positives are what shall be ranked high.
        k: Cutoff.
    """

    def __init__(self, validation: EncodedInteractions, k: int) -> None:
        positives = validation.positives()
        pairs = np.unique(np.stack([positives.user, positives.item]).astype(np.int64), axis=1)
        self.users, row = np.unique(pairs[0], return_inverse=True)
        self.truth = Truth(self.users, row, pairs[1])
        self.k = k

    def metrics(self, model: Ranks) -> dict[str, float]:
        """NDCG@k and recall@k, means over the users with a validation positive; 0 where there is none."""
        if not len(self.users):
            return {f"{name}@{self.k}": 0.0 for name in METRICS}
        found = hits(model.rank(self.users, self.k)[0], self.truth)
        values = ranking_metrics(found, self.truth.sizes)
        return {f"{name}@{self.k}": float(values[name].mean()) for name in METRICS}
