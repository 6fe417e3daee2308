"""Sessions for networks without a history tower: a linear map from the items just taken to a user vector."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SESSION_LENGTH = 5
"""Items a user's vector is regressed on; few, because sessions are short."""
RIDGE = 0.03
"""Ridge penalty relative to the mean variance of the inputs."""


@dataclass(frozen=True)
class SessionMap:
    """User vector ≈ mean of the items' vectors · weights + bias, by ridge regression over the known users.

    The fold-in of a factor model (Hu, Koren & Volinsky 2008 solve it per user) as one matrix product, whatever loss the
    factors were trained with.

    Attributes:
        weights: `[dimension, dimension]` float32.
        bias: `[dimension]` float32.
    """

    weights: Array
    bias: Array

    @staticmethod
    def fit(user_vectors: Array, item_vectors: Array, histories: Array) -> "SessionMap":
        """Regress the users' vectors `[n, d]` on the means of their last items `[n, T]` (indices, 0-padded)."""
        pooled = mean_vectors(item_vectors, _last(histories))
        centre, target = pooled.mean(axis=0), user_vectors.mean(axis=0)
        inputs = (pooled - centre).astype(np.float64)
        covariance = inputs.T @ inputs
        penalty = RIDGE * np.trace(covariance) / len(covariance) + np.finfo(np.float32).eps
        right = inputs.T @ (user_vectors - target)
        weights = np.linalg.solve(covariance + penalty * np.eye(len(covariance)), right)
        return SessionMap(weights.astype(np.float32), (target - centre @ weights).astype(np.float32))

    def __call__(self, item_vectors: Array, histories: Array) -> Array:
        """User vectors `[B, dimension]` of sessions `[B, T]` (indices, 0-padded)."""
        return mean_vectors(item_vectors, histories) @ self.weights + self.bias


def mean_vectors(item_vectors: Array, histories: Array) -> Array:
    """Mean vector of each session's items `[B, dimension]`; zeros for an empty one."""
    mask = (histories != 0)[:, :, None]
    total = (item_vectors[histories] * mask).sum(axis=1)
    return np.asarray(total / np.maximum(mask.sum(axis=1), 1), dtype=np.float32)


def _last(histories: Array) -> Array:
    """The last SESSION_LENGTH items of each history whose padding stands at the end."""
    ends = (histories != 0).sum(axis=1)[:, None]
    columns = ends - 1 - np.arange(SESSION_LENGTH)
    taken = np.take_along_axis(histories, np.clip(columns, 0, histories.shape[1] - 1), axis=1)
    return np.where(columns >= 0, taken, 0)
