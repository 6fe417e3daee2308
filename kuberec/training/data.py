"""What a compiled step reads: positives, feature tables, histories and the distribution of the negatives."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.sparse import csr_matrix

from kuberec.errors import DataError
from kuberec.features import EncodedInteractions, EntityTable, Features
from kuberec.training.config import AUTO, FamilyConfig, GradientConfig, Negatives

Array = npt.NDArray[Any]
P = ParamSpec("P")
T = TypeVar("T")
STEPS_PER_PASS = 100
LEAST_BATCH, GREATEST_BATCH = 128, 16384
_BESIDE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="order-of-a-pass")
POWERS = {Negatives.UNIFORM: 0.0, Negatives.POPULARITY: 0.5, Negatives.IN_BATCH: 1.0}
"""How an item's chance to be a negative grows with its positives."""


@dataclass(frozen=True)
class TrainingData:
    """One phase's interactions beside the entity tables.

    Attributes:
        users: All users; items: all items; row 0 is the unknown.
        interactions: Everything observed, positive or not.
        history_length: Most items of a history; None: all.
        half_life: A positive counts half in the popularity of late when this share of all positives is newer; None:
            all count alike.
    """

    users: EntityTable
    items: EntityTable
    interactions: EncodedInteractions
    history_length: int | None
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
        # Until `with_half_life` has decided, there is no trend.
        half_life = None if config.half_life == AUTO or not features.spec.times_are_comparable else config.half_life
        return TrainingData(features.users, features.items, interactions, config.history_length, half_life)

    @cached_property
    def observed(self) -> csr_matrix:
        """Which user was observed with which item, `[n_users + 1, n_items + 1]` bool."""
        ones = np.ones(len(self.interactions), dtype=bool)
        shape = (len(self.users), len(self.items))
        return csr_matrix((ones, (self.interactions.user, self.interactions.item)), shape=shape)

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
    def positive_matrix(self) -> csr_matrix:
        """Ones where a user has an item among the positives, `[n_users + 1, n_items + 1]` float32."""
        ones = np.ones(len(self.positives), np.float32)
        shape = (len(self.users), len(self.items))
        matrix = csr_matrix((ones, (self.positives.user, self.positives.item)), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix

    @cached_property
    def histories(self) -> "Histories":
        """The most recent positives of each user."""
        return Histories.of(self.positives, len(self.users), self.history_length)

    def user_inputs(self, index: Array, histories: Array | None = None) -> dict[str, Array]:
        """The user tower's inputs for the indices; users without positives enter as the unknown with features."""
        inputs = _entity_inputs(self.users, self.user_known, index)
        inputs["history"] = self.histories[index] if histories is None else histories
        return inputs

    def item_inputs(self, index: Array) -> dict[str, Array]:
        """The item tower's inputs for the indices; items without positives enter as the unknown with features."""
        return _entity_inputs(self.items, self.item_known, index)


@dataclass(frozen=True)
class Histories:
    """The most recent positives of each user, oldest first; one user's behind the other's.

    Attributes:
        starts: `[n_users + 2]` int64, the position of each user's first item, and the end of all.
        items: int32.
    """

    starts: Array
    items: Array

    @staticmethod
    def of(positives: EncodedInteractions, n_users: int, length: int | None) -> "Histories":
        """The last `length` items of each user, or all; `positives` must be ordered by user, then time."""
        counts = np.bincount(positives.user, minlength=n_users)
        kept = counts if length is None else np.minimum(counts, length)
        from_end = np.cumsum(counts)[positives.user] - np.arange(len(positives)) - 1
        starts = np.concatenate([[0], np.cumsum(kept)])
        return Histories(starts, positives.item[from_end < kept[positives.user]])

    def __getitem__(self, user: Array) -> Array:
        """Histories of users `[B]`: `[B, T]` int32, padded with 0 at the end; T is that of the longest, at least 1."""
        lengths = self.starts[user + 1] - self.starts[user]
        place = np.arange(max(1, lengths.max(initial=0)))
        held = place < lengths[:, None]
        padded = np.zeros(held.shape, dtype=np.int32)
        padded[held] = self.items[(self.starts[user][:, None] + place)[held]]
        return padded


def _entity_inputs(table: EntityTable, known: Array, index: Array) -> dict[str, Array]:
    inputs = {name: column[index] for name, column in table.columns.items()}
    return {"index": np.where(known[index], index, 0).astype(np.int32), **inputs}


@dataclass(frozen=True)
class Groups:
    """The positives parted into groups, each of one user; a group is a range of positions.

    Attributes:
        start: `[groups]` int64, position of the first positive.
        length: `[groups]` int64, at least 1.
    """

    start: Array
    length: Array

    @staticmethod
    def of(counts: Array, size: int, at_most_half: bool) -> "Groups":
        """Part each user's positives, of which there are `counts` `[n_users + 1]`, into groups of at most `size`.

        Args:
            counts: Positives of each user; those of one user follow each other.
            size: Most positives in a group.
            at_most_half: Whether a group holds at most half of a user's positives, rounded up, so that there is a
                history to read.
        """
        most = np.minimum(size, np.maximum(1, -(-counts // 2) if at_most_half else counts))
        groups = -(-counts // most)
        user = np.repeat(np.arange(len(counts)), groups)
        offset = (np.arange(len(user)) - (np.cumsum(groups) - groups)[user]) * most[user]
        return Groups((np.cumsum(counts) - counts)[user] + offset, np.minimum(most[user], counts[user] - offset))


@dataclass(frozen=True)
class Step:
    """The positives of one step, those of a group next to each other.

    Attributes:
        user: `[R]` int32, the user of each group.
        row: `[P]` int32, the group of each positive, rising from 0.
        item: `[P]` int32, the positives, rising within a group.
        seed: `[2]` int32, for what the step draws.
    """

    user: tf.Tensor
    row: tf.Tensor
    item: tf.Tensor
    seed: tf.Tensor


def _inputs(method: Callable[P, T]) -> Callable[P, T]:
    """Puts a method's operations into the scope by which a profile tells inputs from the rest of a step."""

    @wraps(method)
    def scoped(*args: P.args, **kwargs: P.kwargs) -> T:
        with tf.name_scope("inputs/"):  # one scope, however often it is entered
            return method(*args, **kwargs)

    return scoped


class StepData:
    """The tensors of a phase, placed once; everything a step needs is gathered from them inside the graph.

    Args:
        data: The phase's data.
        config: How positives are grouped and negatives drawn.
        uses_history: Whether the user tower reads histories.
    """

    def __init__(self, data: TrainingData, config: GradientConfig, uses_history: bool) -> None:
        positives = data.positives
        self.n_positives, self.n_items = len(positives), len(data.items)
        self.batch_size = min(config.batch_size or _batch_size(self.n_positives), self.n_positives)
        self.steps_per_epoch = -(-self.n_positives // self.batch_size)
        counts = np.bincount(positives.user, minlength=len(data.users))
        self._groups = Groups.of(counts, config.group_size, at_most_half=uses_history)
        self._users, self._items = positives.user, positives.item
        self.item, self.group = _variable(positives.item), _variable(positives.user)
        self.owner = _variable(positives.user[self._groups.start])
        self._orders: dict[tuple[int, int], Future[tuple[Array, Array, Array]]] = {}
        self.uses_history = uses_history
        everyone = np.arange(len(data.users))
        self.histories = tf.constant(
            data.histories[everyone] if uses_history else np.zeros((len(everyone), 0), np.int32)
        )
        self.user_columns = _constants(data.users.columns)
        self.item_columns = _constants(data.items.columns)
        self._place_negatives(data, config)

    def _place_negatives(self, data: TrainingData, config: GradientConfig) -> None:
        known = np.flatnonzero(data.item_known).astype(np.int32)
        self.known_items = tf.constant(known)
        self.n_known = len(known)
        places = np.full(len(data.items), self.n_known, dtype=np.int32)
        places[known] = np.arange(self.n_known)
        self.place = tf.constant(places)
        self.all_negatives = config.n_negatives >= self.n_known
        self.negatives_from = config.negatives
        self.n_negatives = min(config.n_negatives, self.n_known)
        shares = data.item_counts[known] ** POWERS[config.negatives]
        shares = shares / shares.sum()
        self.cumulative = tf.constant(np.cumsum(shares), tf.float32)
        # A negative drawn twice counts once, so what corrects for the sampling is the chance to be drawn at all.
        draws: float = self.n_negatives
        if config.negatives is Negatives.IN_BATCH:  # a positive of the step that is drawn twice gives no second chance
            draws = self.batch_size * (1 - (1 - 1 / self.batch_size) ** draws)
        chances = -np.expm1(draws * np.log1p(-np.minimum(shares, 1 - 1e-9)))
        self.log_chances = tf.constant(np.log(chances), tf.float32)

    def shuffle(self, seed: int, epoch: int) -> None:
        """Set the order of a pass, a function of both arguments alone: who shares a group, and the groups' order.

        While a pass runs, the order of the next is made beside it.
        """
        made = self._orders.pop((seed, epoch), None) or _BESIDE.submit(self._order, seed, epoch)
        self._orders = {(seed, epoch + 1): _BESIDE.submit(self._order, seed, epoch + 1)}
        for variable, values in zip((self.item, self.group, self.owner), made.result(), strict=True):
            variable.assign(values)

    def _order(self, seed: int, epoch: int) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng([seed, epoch])
        shuffled = np.argsort(self._users + rng.random(self.n_positives))
        place = rng.permutation(len(self._groups.length))
        group = np.repeat(place, self._groups.length)
        order = np.argsort(group * np.int64(self.n_items) + self._items[shuffled])
        owner = self._users[self._groups.start[np.argsort(place)]]
        return self._items[shuffled][order], group[order].astype(np.int32), owner

    @_inputs
    def step(self, number: tf.Tensor, seed: tf.Tensor) -> Step:
        """The positives of a pass's step by its number."""
        start = number * self.batch_size
        end = tf.minimum(start + self.batch_size, self.n_positives)
        group = self.group[start:end]  # each the one before or the next
        return Step(self.owner[group[0] : group[-1] + 1], group - group[0], self.item[start:end], seed)

    @_inputs
    def user_inputs(self, step: Step) -> dict[str, tf.Tensor]:
        """Inputs of the step's users `[R]`; what they are asked for is blanked in their histories."""
        history = tf.gather(self.histories, step.user)
        if self.uses_history:
            history = tf.where(_asked(step, history, self.n_items), 0, history)
        return {"index": step.user, "history": history, **_gathered(self.user_columns, step.user)}

    @_inputs
    def item_inputs(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """Inputs of items by index."""
        return {"index": index, **_gathered(self.item_columns, index)}

    def places(self, items: tf.Tensor) -> tf.Tensor:
        """Places of items among the known ones; their number for all others."""
        return tf.gather(self.place, items)

    @_inputs
    def negatives(self, step: Step) -> tuple[tf.Tensor, tf.Tensor]:
        """Places of the step's negatives, sorted `[M]`, and the logarithm of their chance to be among them `[M]`.

        All known items, with zeros, where there are no more than the number asked for.
        """
        if self.all_negatives:
            return tf.range(self.n_known), tf.zeros([self.n_known])
        places = tf.sort(self.draw(step, [self.n_negatives]))
        return places, tf.gather(self.log_chances, places)

    @_inputs
    def draw(self, step: Step, shape: Any) -> tf.Tensor:
        """Places of negatives `shape`, each drawn by itself: one may come twice, or be a positive."""
        if self.negatives_from is Negatives.POPULARITY:
            uniform = tf.random.stateless_uniform(shape, step.seed)
            places = tf.searchsorted(self.cumulative, tf.reshape(uniform, [-1]), side="right")
            return tf.reshape(tf.minimum(places, self.n_known - 1), shape)
        in_batch = self.negatives_from is Negatives.IN_BATCH
        number = tf.size(step.item) if in_batch else self.n_known
        drawn = tf.random.stateless_uniform(shape, step.seed, maxval=number, dtype=tf.int32)
        return self.places(tf.gather(step.item, drawn)) if in_batch else drawn

    @_inputs
    def valid(self, step: Step, history: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
        """Which of the negatives at sorted places `[M]` count against which of the step's users: `[R, M]` bool.

        Excluded are what the user was asked for, what their history `[R, T]` holds, and a negative drawn twice. The
        cost is that of a binary search for each and does not grow with the catalogue.
        """
        row, place = self._taken(step, history)
        found = tf.minimum(tf.searchsorted(negatives, place), tf.size(negatives) - 1)
        cells = tf.boolean_mask(tf.stack([row, found], axis=1), tf.gather(negatives, found) == place)
        again = tf.concat([[False], negatives[1:] == negatives[:-1]], axis=0)
        valid = tf.repeat(tf.logical_not(again)[None, :], tf.size(step.user), axis=0)
        return tf.tensor_scatter_nd_update(valid, cells, tf.zeros(tf.shape(cells)[:1], tf.bool))

    @_inputs
    def valid_cells(self, step: Step, history: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
        """Which cells of all known items, `[R, n_known]` read row by row, count as negatives of that row's user."""
        row, place = self._taken(step, history)
        taken = tf.boolean_mask(row * self.n_known + place, place < self.n_known)
        free = tf.ones([tf.size(step.user) * self.n_known], tf.bool)
        free = tf.tensor_scatter_nd_update(free, taken[:, None], tf.zeros(tf.shape(taken), tf.bool))
        return tf.gather(free, cells)

    def _taken(self, step: Step, history: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows of the step's users and places of what they were asked for and what their history `[R, T]` holds."""
        row = tf.concat([step.row, tf.repeat(tf.range(tf.size(step.user)), history.shape[1])], axis=0)
        return row, self.places(tf.concat([step.item, tf.reshape(history, [-1])], axis=0))


def _batch_size(n_positives: int) -> int:
    """About as many steps a pass whatever the data, so that a step size and a number of passes hold for more of it."""
    return min(max(n_positives // STEPS_PER_PASS, LEAST_BATCH), GREATEST_BATCH)


def _asked(step: Step, history: tf.Tensor, n_items: int) -> tf.Tensor:
    """Which of the history's items `[R, T]` are positives of the same group: `[R, T]` bool."""
    stride = tf.constant(n_items, tf.int64)
    asked = tf.cast(step.row, tf.int64) * stride + tf.cast(step.item, tf.int64)  # sorted, as the step is
    rows = tf.range(tf.size(step.user), dtype=tf.int64)[:, None]
    known = tf.reshape(rows * stride + tf.cast(history, tf.int64), [-1])
    found = tf.minimum(tf.searchsorted(asked, known), tf.size(asked) - 1)
    return tf.reshape(tf.gather(asked, found) == known, tf.shape(history))


def _variable(values: Array) -> tf.Variable:
    return tf.Variable(values, trainable=False)


def _constants(columns: Mapping[str, Array]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(column) for name, column in columns.items()}


def _gathered(columns: Mapping[str, tf.Tensor], index: tf.Tensor) -> dict[str, tf.Tensor]:
    return {name: tf.gather(column, index) for name, column in columns.items()}
