"""NDCG@10 over training time, by one rule for Kuberec and its peers: full ranking, what a user took left out."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]
K = 10
METRIC = "ndcg@10"
BLOCK = 1024


def ndcg(lists: Array, target: Array) -> float:
    """Mean NDCG of lists `[n, k]` that each seek one item `[n]`; 1 where it stands first, 0 where it is missing."""
    found = lists == target[:, None]
    discounts = 1 / np.log2(np.arange(lists.shape[1]) + 2)
    return float((found * discounts).sum(axis=1).mean())


def ranked(scores: Callable[[Array], Array], taken: sparse.csr_matrix) -> Array:
    """The K best items of each user `[n_users, K]`, best first, without those of `taken` `[n_users, n_items]`.

    `scores` gives `[B, n_items]` for B users.
    """
    lists = []
    for start in range(0, taken.shape[0], BLOCK):
        users = np.arange(start, min(start + BLOCK, taken.shape[0]))
        block = np.array(scores(users), dtype=np.float32)
        block[taken[users].nonzero()] = -np.inf
        best = np.argpartition(-block, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(block, best, axis=1), axis=1)
        lists.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(lists)


class Curve:
    """NDCG@10 by seconds of training; the clock stands still while it judges.

    Args:
        target: Each user's held-out item.
    """

    def __init__(self, target: Array) -> None:
        self.target = target
        self.points: list[dict[str, float]] = []
        self.seconds = 0.0
        self.since = time.perf_counter()

    def add(self, passes: int, lists: Callable[[], Array]) -> float:
        """Judge what `lists` gives, `[n_users, K]`, and return it."""
        self.seconds += time.perf_counter() - self.since
        value = ndcg(lists(), self.target)
        self.points.append({"passes": passes, "seconds": round(self.seconds, 2), METRIC: round(value, 4)})
        self.since = time.perf_counter()
        return value

    @property
    def best(self) -> dict[str, float]:
        """The first point with the highest NDCG."""
        return max(self.points, key=lambda point: point[METRIC])
