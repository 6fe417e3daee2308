"""What a compiled step reads: positives, feature tables, histories and the distribution of the negatives."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kuberec.errors import DataError
from kuberec.features import EncodedInteractions, EntityTable, Features
from kuberec.training.config import FamilyConfig, Negatives

Array = npt.NDArray[Any]
POPULARITY_POWER = 0.5


@dataclass(frozen=True)
class TrainingData:
    """One phase's interactions beside the entity tables.

    Attributes:
        users: All users; items: all items; row 0 is the unknown.
        interactions: Everything observed, positive or not.
        history_length: Width of the histories.
        half_life: A positive counts half in the popularity of late when this share of all positives is newer; None:
            all count alike.
    """

    users: EntityTable
    items: EntityTable
    interactions: EncodedInteractions
    history_length: int
    half_life: float | None

    @staticmethod
    def of(features: Features, interactions: EncodedInteractions, config: FamilyConfig) -> "TrainingData":
        """Bind a part of the interactions to the tables.

        Raises:
            DataError: There is no positive to learn from.
        """
        if not interactions.label.any():
            raise DataError(
                "the training part holds no positive interaction. Check `positive` in the dataset.yaml and the split."
            )
        return TrainingData(features.users, features.items, interactions, config.history_length, config.half_life)

    @cached_property
    def positives(self) -> EncodedInteractions:
        """The positive interactions."""
        return self.interactions.positives()

    @cached_property
    def item_counts(self) -> Array:
        """Positives of each item, `[n_items + 1]` int64."""
        return np.bincount(self.positives.item, minlength=len(self.items))

    @cached_property
    def recent_counts(self) -> Array:
        """Positives of each item weighted by recency, `[n_items + 1]` float64; their sum is the number of positives."""
        if self.half_life is None:
            return self.item_counts.astype(np.float64)
        times = np.sort(self.positives.timestamp)
        newer = 1 - np.searchsorted(times, self.positives.timestamp, side="right") / len(times)
        weights = 0.5 ** (newer / self.half_life)
        counts = np.bincount(self.positives.item, weights=weights, minlength=len(self.items))
        return np.asarray(counts * (len(times) / weights.sum()))

    @cached_property
    def popularity(self) -> Array:
        """Logarithm of 1 + the recent counts, `[n_items + 1]` float32."""
        return np.log1p(self.recent_counts).astype(np.float32)

    @cached_property
    def trend(self) -> Array:
        """Logarithm of the recent counts over all counts, each + 1, `[n_items + 1]` float32.

        A model learns how often an item was taken over the whole time. Added to its bias, this replaces that prior by
        the one of late (the correction for a shift of priors of Saerens, Latinne & Decaestecker 2002).
        """
        return np.log((self.recent_counts + 1) / (self.item_counts + 1)).astype(np.float32)

    @cached_property
    def user_known(self) -> Array:
        """Whether a user has a positive, `[n_users + 1]` bool."""
        return np.bincount(self.positives.user, minlength=len(self.users)) > 0

    @cached_property
    def item_known(self) -> Array:
        """Whether an item has a positive, `[n_items + 1]` bool."""
        return self.item_counts > 0

    @cached_property
    def histories(self) -> Array:
        """The most recent positives of each user, oldest first, `[n_users + 1, history_length]` int32, 0-padded."""
        return recent_items(self.positives, len(self.users), self.history_length)

    def user_inputs(self, index: Array, histories: Array | None = None) -> dict[str, Array]:
        """The user tower's inputs for the indices; users without positives enter as the unknown with features."""
        inputs = _entity_inputs(self.users, self.user_known, index)
        inputs["history"] = self.histories[index] if histories is None else histories
        return inputs

    def item_inputs(self, index: Array) -> dict[str, Array]:
        """The item tower's inputs for the indices; items without positives enter as the unknown with features."""
        return _entity_inputs(self.items, self.item_known, index)


def recent_items(positives: EncodedInteractions, n_users: int, length: int) -> Array:
    """The last `length` items of each user, oldest first, `[n_users, length]` int32, padded with 0 at the end.

    `positives` must be ordered by user, then time.
    """
    counts = np.bincount(positives.user, minlength=n_users)
    ends = np.cumsum(counts)
    from_end = ends[positives.user] - np.arange(len(positives)) - 1
    kept = from_end < length
    column = np.minimum(counts[positives.user], length) - 1 - from_end
    histories = np.zeros((n_users, length), dtype=np.int32)
    histories[positives.user[kept], column[kept]] = positives.item[kept]
    return histories


def _entity_inputs(table: EntityTable, known: Array, index: Array) -> dict[str, Array]:
    inputs = {name: column[index] for name, column in table.columns.items()}
    return {"index": np.where(known[index], index, 0).astype(np.int32), **inputs}


class StepData:
    """The tensors of a phase, placed once; everything a step needs is gathered from them inside the graph."""

    def __init__(self, data: TrainingData, negatives: Negatives, n_negatives: int) -> None:
        self.n_positives = len(data.positives)
        self.user = tf.constant(data.positives.user)
        self.item = tf.constant(data.positives.item)
        self.histories = tf.constant(data.histories)
        self.user_columns = _constants(data.users.columns)
        self.item_columns = _constants(data.items.columns)
        known = np.flatnonzero(data.item_known).astype(np.int32)
        self.known_items = tf.constant(known)
        self.n_known = len(known)
        self.exact = n_negatives >= self.n_known
        self.n_negatives = min(n_negatives, self.n_known)
        weights = data.item_counts[known] ** (POPULARITY_POWER if negatives is Negatives.POPULARITY else 0.0)
        shares = weights / weights.sum()
        self.cumulative = tf.constant(np.cumsum(shares), tf.float32)
        self.log_counts = tf.constant(np.log(shares * self.n_negatives), tf.float32)

    def user_inputs(self, index: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """Inputs of the positives' users; the positive itself is blanked in the history."""
        history = tf.gather(self.histories, index)
        history = tf.where(history == target[:, None], 0, history)
        return {"index": index, "history": history, **_gathered(self.user_columns, index)}

    def item_inputs(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Inputs of items by index."""
        return {"index": index, **_gathered(self.item_columns, index)}

    def negatives(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The step's negatives, sorted `[M]`, and the logarithm of their expected count in a step `[M]`.

        All known items, with zeros, where the catalogue is no larger than the number asked for.
        """
        if self.exact:
            return self.known_items, tf.zeros([self.n_known])
        uniform = tf.random.stateless_uniform([self.n_negatives], seed)
        positions = tf.searchsorted(self.cumulative, uniform, side="right")
        positions = tf.sort(tf.minimum(positions, self.n_known - 1))
        return tf.gather(self.known_items, positions), tf.gather(self.log_counts, positions)


def valid_negatives(negatives: tf.Tensor, target: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
    """Which of the sorted negatives `[M]` count against which positive: `[B, M]` bool.

    Excluded are the positive itself `[B]`, the items of the user's history `[B, T]`, and a negative drawn twice. The
    cost is that of B × T binary searches and does not grow with the catalogue.
    """
    taken = tf.concat([target[:, None], history], axis=1)
    place = tf.minimum(tf.searchsorted(negatives, tf.reshape(taken, [-1])), tf.size(negatives) - 1)
    hit = tf.reshape(tf.gather(negatives, place), tf.shape(taken)) == taken
    rows = tf.where(hit)
    columns = tf.gather_nd(tf.reshape(place, tf.shape(taken)), rows)
    cells = tf.stack([tf.cast(rows[:, 0], tf.int32), columns], axis=1)
    shape = tf.stack([tf.size(target), tf.size(negatives)])
    excluded = tf.tensor_scatter_nd_update(tf.zeros(shape, tf.bool), cells, tf.ones([tf.shape(cells)[0]], tf.bool))
    again = tf.concat([[False], negatives[1:] == negatives[:-1]], axis=0)
    return tf.logical_not(tf.logical_or(excluded, again[None, :]))


def _constants(columns: Mapping[str, Array]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(column) for name, column in columns.items()}


def _gathered(columns: Mapping[str, tf.Tensor], index: tf.Tensor) -> dict[str, tf.Tensor]:
    return {name: tf.gather(column, index) for name, column in columns.items()}
