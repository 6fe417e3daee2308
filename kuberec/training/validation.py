"""The metrics that stop the training and choose among families, measured on the validation part."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kuberec.features import EncodedInteractions
from kuberec.recommender import top_k
from kuberec.training.fitted import EXCLUDED, FittedModel

Array = npt.NDArray[Any]
BATCH = 1024


class Validation:
    """Full-catalogue ranking of the validation positives.

    Args:
        validation: The validation part; its positives are what shall be ranked high.
        n_items: Size of the item table, the unknown included.
        k: Cutoff.
    """

    def __init__(self, validation: EncodedInteractions, n_items: int, k: int) -> None:
        positives = validation.positives()
        self.k = k
        self.users, self.row = np.unique(positives.user, return_inverse=True)
        self.item = positives.item
        self.n_items = n_items

    def metrics(self, model: FittedModel) -> dict[str, float]:
        """NDCG@k and recall@k, means over the users with a validation positive; 0 where there is none."""
        if not len(self.users):
            return {f"ndcg@{self.k}": 0.0, f"recall@{self.k}": 0.0}
        parts = [self._hits(model, start) for start in range(0, len(self.users), BATCH)]
        hits, sizes = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        discount = 1 / np.log2(np.arange(2, self.k + 2))
        ideal = np.cumsum(discount)[np.minimum(sizes, self.k) - 1]
        gains = (hits * discount[: hits.shape[1]]).sum(axis=1)
        return {
            f"ndcg@{self.k}": float((gains / ideal).mean()),
            f"recall@{self.k}": float((hits.sum(axis=1) / sizes).mean()),
        }

    def _hits(self, model: FittedModel, start: int) -> tuple[Array, Array]:
        users = self.users[start : start + BATCH]
        inside = (self.row >= start) & (self.row < start + BATCH)
        truth = np.zeros((len(users), self.n_items), dtype=bool)
        truth[self.row[inside] - start, self.item[inside]] = True
        scores = model.user_vectors[users] @ model.item_vectors.T
        scores[model.observed[users].toarray()] = EXCLUDED
        index, _ = top_k(scores[:, 1:], self.k)
        return np.take_along_axis(truth[:, 1:], index, axis=1), truth.sum(axis=1)
