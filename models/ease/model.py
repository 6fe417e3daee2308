"""EASE (Steck 2019, arXiv 1905.03375): a linear model from the items that a user took to all others."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from kuberec.ease import Array, co_counts, item_weights
from kuberec.errors import ConfigError
from kuberec.features import EntityTable
from kuberec.training.layers import with_bias, with_one
from kuberec.training.network import ClosedForm, Inputs, RetrievalNetwork, Tensor

from .config import EASEConfig

if TYPE_CHECKING:  # the networks run without TensorFlow
    from kuberec.training.data import TrainingData

GB = 10**9


class EASENetwork(RetrievalNetwork, ClosedForm):
    """Score = the sum of the weights from the user's items to the item: a user is the multi-hot of their
    history, or of what came last in it.

    Raises:
        ConfigError: The catalogue is larger than `most_items`.
    """

    uses_history = True
    stores_users = False
    similar_by_history = True
    scores_log_odds = False

    def __init__(self, config: EASEConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_items = len(items) - 1
        _check_size(self.n_items, config.most_items)
        self.item_weights = keras.layers.Embedding(len(items), self.n_items, embeddings_initializer="zeros")
        self.most_recent = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)
        self._solved: float | None = None

    @property
    def user_variables(self) -> list[Any]:
        """Nothing of a user: a user is nothing but a history."""
        return [self.most_recent]

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, n_items + 1]`: 1 for each item of the history that counts, item i in column i - 1; last a 1."""
        ops = keras.ops
        history = self._counted(ops.convert_to_tensor(inputs["history"]))
        batch, length = ops.shape(history)
        rows = ops.broadcast_to(ops.arange(batch, dtype="int32")[:, None], (batch, length))
        cells = ops.reshape(ops.stack([rows, history], axis=-1), (-1, 2))
        empty = ops.zeros((batch, self.n_items + 1))
        return with_one(ops.scatter_update(empty, cells, ops.ones(batch * length))[:, 1:])

    def _counted(self, history: Tensor) -> Tensor:
        """The history `[B, T]` with 0 for all but the `most_recent` items; all of it where that is 0."""
        ops = keras.ops
        held = ops.cast(history != 0, "int32")
        later = ops.sum(held, axis=1, keepdims=True) - ops.cumsum(held, axis=1)
        counts = ops.logical_or(self.most_recent == 0, later < self.most_recent)
        return ops.where(counts, history, ops.zeros_like(history))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, n_items + 1]`: the weights from every item to this one, and a bias of 0."""
        vectors = self.item_weights(inputs["index"])
        return with_bias(vectors, keras.ops.zeros_like(vectors[:, :1]))

    def unknown_bias(self, known: Tensor) -> Tensor:
        """1 below the least score of an item with positives that any user could have."""
        return keras.ops.min(keras.ops.sum(keras.ops.minimum(known, 0.0), axis=-1)) - 1.0

    def statistics(self, data: "TrainingData") -> Array:
        """How many users took both of two items, `[n_items, n_items]`."""
        return co_counts(data.positive_matrix[:, 1:])

    def solve(self, statistics: Array, candidate: Mapping[str, Any], seed: int) -> None:
        """Solve the regression, unless it was the last one solved; chance has no part in it."""
        if candidate["regularization"] != self._solved:
            # One BLAS thread: sums do not depend on the number of cores.
            with threadpool_limits(1, "blas"):
                weights = item_weights(statistics, candidate["regularization"])
            self.item_weights.embeddings.assign(np.concatenate([np.zeros_like(weights[:1]), weights.T]))
            self._solved = candidate["regularization"]
        self.most_recent.assign(candidate["history_length"])


def _check_size(items: int, most: int) -> None:
    if items > most:
        raise ConfigError(
            f"ease was asked for {items:,} items and most_items is {most:,}. Its weights alone would take "
            f"{4 * items**2 / GB:,.1f} GB of memory, and their solution several times that. Raise most_items on a "
            "machine that has it, drop rare items from the dataset, or train another family."
        )
