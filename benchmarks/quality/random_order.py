"""The reference that knows nothing: a random order of the catalogue for each user."""

import zlib
from collections.abc import Sequence

import numpy as np

from kuberec.evaluation.judge import is_observed
from kuberec.features import Features
from kuberec.recommender import PADDING, Recommendations, top_k


class RandomOrder:
    """Ranks what a user has not had at random; the same user gets the same order for the same seed."""

    name = "random"

    def __init__(self, features: Features, seed: int) -> None:
        self.features, self.seed = features, seed

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        """The k first items of each user's order, with random scores."""
        items = np.arange(1, len(self.features.items), dtype=np.int32)
        scores = np.stack([self._order(user, len(items)) for user in user_ids])
        rows = np.broadcast_to(self.features.users.indices(user_ids)[:, None], scores.shape)
        scores[is_observed(self.features, rows, np.broadcast_to(items, scores.shape))] = -np.inf
        order, best = top_k(scores, k)
        return Recommendations(np.where(np.isneginf(best), PADDING, self.features.items.ids[items][order]), best)

    def _order(self, user: str, size: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.random.default_rng([self.seed, zlib.crc32(user.encode())]).random(size, dtype=np.float32)
