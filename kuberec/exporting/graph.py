"""The serving graph: raw ids in, ranked raw ids out, in stock TensorFlow operations."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kuberec.features import EntityTable
from kuberec.recommender import PADDING
from kuberec.retrieval.exact import EXCLUDED, in_columns, only, top_k
from kuberec.retrieval.ivf import MOST_ROWS, InvertedFile
from kuberec.schema import FeatureType
from kuberec.training.fitted import FittedModel


class ServingGraph(tf.Module):
    """A fitted model as TensorFlow variables and tables; every method is called inside a signature.

    Args:
        model: The fitted model; what of its vectors is stored is computed here, once.
        index: Of its items, to answer `recommend` with where it can; None: every score is compared.
    """

    def __init__(self, model: FittedModel, index: InvertedFile | None = None) -> None:
        super().__init__()
        self.item_ids = _constant(model.data.items.ids, tf.string)
        self.user_index = _lookup(model.data.users.ids)
        self.item_index = _lookup(model.data.items.ids)
        self.users = _users(model)
        self.item_vectors = _frozen(in_columns(model.item_vectors))
        self.item_scales = _frozen(in_columns(model.item_scales[:, None])[0])
        self.rows = len(model.item_vectors)  # the last columns of the matrix are no items
        self.personal = _frozen(model.personal)
        self.observed_starts = _frozen(model.data.observed.indptr.astype(np.int64))
        self.observed_items = _frozen(model.data.observed.indices.astype(np.int32))
        self.session_weight = model.config.session_weight
        self.similar_by_history = model.network.similar_by_history
        self.index = index
        self.categories = Categories(model.data.items)
        self.scorer = _scorer(model)
        self.sessions = _sessions(model)

    def recommend(
        self,
        user_id: tf.Tensor,
        k: tf.Tensor,
        exclude_item_ids: tf.Tensor,
        history_item_ids: tf.Tensor,
        allow_item_ids: tf.Tensor,
        categories: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The k best items of each user, without those observed, excluded, in the history, or not allowed."""
        user = self.user_index.lookup(user_id)
        excluded = self._indices(exclude_item_ids, user)
        history = self._indices(history_item_ids, user)
        vectors = self._vectors(user, history)
        taken = tf.concat([self._observed(user), excluded, history], axis=1)
        k = self._cut(k)

        free = ~(_name_anything(allow_item_ids) | _name_anything(categories))

        def exact() -> tuple[tf.Tensor, tf.Tensor]:
            scores = self.scorer.cross(vectors, self.item_vectors)

            def restricted() -> tf.Tensor:
                allowed = _restricted(scores, allow_item_ids, self.item_index.lookup)
                return _restricted(allowed, categories, self.categories)

            return top_k(tf.cond(free, lambda: scores, restricted), k, taken, self.rows)

        return self._named(*(exact() if self.index is None else self._searched(vectors, taken, k, free, exact)))

    def score(self, user_id: tf.Tensor, item_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores of the named items for each user; unknown items get the unknown item's score."""
        users = self.users(self.user_index.lookup(user_id))
        items = _gathered(self.item_vectors, self.item_index.lookup(item_ids))
        return {"scores": self.scorer.interact(users[:, None, :], items)}

    def similar_items(self, item_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """The k items nearest to each item, see `FittedModel`; an empty list for an item that has no vector."""
        item = self.item_index.lookup(item_id)
        scale = tf.gather(self.item_scales, item)[:, None]
        if self.similar_by_history:
            scores = self.scorer.cross(self._vectors(tf.zeros_like(item), item[:, None]), self.item_vectors)
        else:
            scores = self._cosines(scale * _gathered(self.item_vectors, item))
        scores = tf.where(scale == 0.0, tf.constant(EXCLUDED, tf.float32), scores)
        return self._named(*top_k(scores, self._cut(k), item[:, None], self.rows))

    def _cosines(self, vectors: tf.Tensor) -> tf.Tensor:
        """`[B, width]` of vectors of length 1."""
        # Bias and popularity are blanked here and not cut off there, which would copy all items.
        vectors = tf.concat([vectors[:, :-2], tf.zeros_like(vectors[:, -2:])], axis=1)
        return tf.matmul(vectors, self.item_vectors) * self.item_scales

    def _vectors(self, user: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
        """User vectors `[B, dimension]`, moved towards the session where there is one."""
        base = self.users(user)

        def moved() -> tf.Tensor:
            count = tf.reduce_sum(tf.cast(history != 0, tf.float32), axis=1, keepdims=True)
            personal = tf.gather(self.personal, user)[:, None]
            share = tf.where(personal, count / (count + self.session_weight), tf.cast(count > 0, tf.float32))
            vectors = self.sessions(user, history, self.item_vectors)
            vectors = tf.concat([vectors, tf.zeros_like(vectors[:, :1])], axis=1)
            return base + share * (vectors - base)

        # Most requests have no history, and need not wait for a session's vector.
        return tf.cond(tf.shape(history)[1] > 0, moved, lambda: base)

    def _indices(self, ids: tf.Tensor, user: tf.Tensor) -> tf.Tensor:
        """Item indices `[B, n]` of raw ids `[B, n]`, or of `[1, n]` that hold for every user."""
        return tf.broadcast_to(self.item_index.lookup(ids), [tf.size(user), tf.shape(ids)[1]])

    def _observed(self, user: tf.Tensor) -> tf.Tensor:
        """The items each user was observed with, `[B, most]` int32, padded with 0."""
        return _listed(self.observed_items, self.observed_starts, user)

    def _cut(self, k: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(k, 0, tf.size(self.item_ids) - 1)

    def _searched(
        self, vectors: tf.Tensor, taken: tf.Tensor, k: tf.Tensor, free: tf.Tensor, exact: Callable[[], Any]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """By the index, if items are `free` of restrictions; exactly where that is cheaper or the index too short.

        The index knows tastes: lists that popularity has a part in are exact.
        """
        assert self.index is not None
        tastes, popularity = vectors[:, :-1], vectors[:, -1]
        probes = self.index.probes(tastes)
        few = tf.shape(vectors)[0] <= MOST_ROWS
        serves = free & few & tf.reduce_all(popularity == 0.0) & self.index.enough(probes, k, taken)
        index = self.index
        found: tuple[tf.Tensor, tf.Tensor] = tf.cond(serves, lambda: index.top_k(tastes, probes, k, taken), exact)
        return found

    def _named(self, scores: tf.Tensor, item: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answer of a ranking signature; padding where nothing is left."""
        ids = tf.where(tf.math.is_finite(scores), tf.gather(self.item_ids, item), PADDING)
        return {"item_ids": ids, "scores": scores}


class Categories(tf.Module):
    """Which items have a category, named `feature=value`, by the categorical and multi-categorical features."""

    def __init__(self, items: EntityTable) -> None:
        super().__init__()
        holders = list(_holders(items))
        self.index = _lookup([PADDING, *(name for name, _ in holders)])
        sizes = [0, 0, *(len(rows) for _, rows in holders)]
        self.starts = _frozen(np.cumsum(sizes, dtype=np.int64))
        self.items = _frozen(np.concatenate([np.zeros(0, np.int32), *(rows for _, rows in holders)]))

    def __call__(self, names: tf.Tensor) -> tf.Tensor:
        """The items `[B, n]` that have any of the categories `[B, C]`, padded with 0; an unknown one has none."""
        rows = _listed(self.items, self.starts, tf.reshape(self.index.lookup(names), [-1]))
        return tf.reshape(rows, [tf.shape(names)[0], tf.shape(names)[1] * tf.shape(rows)[1]])


class StoredUsers(tf.Module):
    """The vectors of all users, as they are for `FittedModel`."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        self.vectors = _frozen(model.user_vectors(np.arange(len(model.data.users))))

    def __call__(self, user: tf.Tensor) -> tf.Tensor:
        """`[B, dimension]` of users `[B]`."""
        return tf.gather(self.vectors, user)


class UsersByHistory(tf.Module):
    """The histories of all users, of which their vectors are made when asked."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        self.starts = _frozen(model.data.histories.starts)
        self.items = _frozen(model.data.histories.items)
        self.personal = _frozen(model.personal)
        # A Keras model as an attribute would be saved with signatures of its own; its tower and weights are enough.
        self.encode_users = model.network.encode_users
        self.weights = [variable.value for variable in model.network.user_variables]

    def __call__(self, user: tf.Tensor) -> tf.Tensor:
        """`[B, dimension]` of users `[B]`."""
        vectors = self.encode_users({"index": user, "history": _listed(self.items, self.starts, user)})
        vectors = tf.concat([vectors, tf.zeros_like(vectors[:, :1])], axis=1)
        popularity = tf.one_hot(tf.shape(vectors)[1] - 1, tf.shape(vectors)[1])
        return tf.where(tf.gather(self.personal, user)[:, None], vectors, popularity)


class DotProduct(tf.Module):
    """Scores as the product of the vectors."""

    def interact(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Scores `[B, N]` of `[B, 1, dimension]` and `[B, N, dimension]`."""
        return tf.einsum("bod,bnd->bn", users, items)

    def cross(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Scores `[B, width]` of `[B, dimension]` and `[dimension, width]`."""
        return tf.matmul(users, items)


class NetworkScorer(tf.Module):
    """Scores as the network gives them, and the popularity dimension of `FittedModel` beside it."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        # A Keras model as an attribute would be saved with signatures of its own; its methods and weights are enough.
        self._interact, self._cross = model.network.interact, model.network.cross
        self.weights = [variable.value for variable in model.network.variables]

    def interact(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Scores `[B, N]` of `[B, 1, dimension]` and `[B, N, dimension]`."""
        return self._interact(users[..., :-1], items[..., :-1]) + users[..., -1] * items[..., -1]

    def cross(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Scores `[B, width]` of `[B, dimension]` and `[dimension, width]`."""
        # The network takes rows; to turn the items over costs little beside its layers.
        return self._cross(users[:, :-1], tf.transpose(items[:-1])) + tf.matmul(users[:, -1:], items[-1:])


class NetworkSessions(tf.Module):
    """Session vectors of a network with a history tower: an unknown user with known features and that history."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        # A Keras model as an attribute would be saved with signatures of its own; its tower and weights are enough.
        self.encode_users = model.network.encode_users
        self.weights = [variable.value for variable in model.network.user_variables]
        self.columns = {name: _frozen(column) for name, column in model.data.users.columns.items()}

    def __call__(self, user: tf.Tensor, history: tf.Tensor, item_vectors: tf.Variable) -> tf.Tensor:
        """`[B, dimension - 1]` of users `[B]` and histories `[B, T]`; the item vectors are not needed."""
        del item_vectors
        features = {name: tf.gather(column, user) for name, column in self.columns.items()}
        return self.encode_users({"index": tf.zeros_like(user), "history": history, **features})


class MappedSessions(tf.Module):
    """Session vectors of a network without a history tower: `kuberec.training.sessions.SessionMap` in the graph."""

    def __init__(self, model: FittedModel) -> None:
        super().__init__()
        assert model.session_map is not None
        self.weights = _frozen(model.session_map.weights)
        self.bias = _frozen(model.session_map.bias)

    def __call__(self, user: tf.Tensor, history: tf.Tensor, item_vectors: tf.Variable) -> tf.Tensor:
        """`[B, dimension - 1]` of histories `[B, T]`; the users are not needed."""
        del user
        mask = tf.cast(history != 0, tf.float32)[:, :, None]
        total = tf.reduce_sum(_gathered(item_vectors, history)[:, :, :-1] * mask, axis=1)
        pooled = total / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0)
        return tf.matmul(pooled, self.weights) + self.bias


def _users(model: FittedModel) -> tf.Module:
    return StoredUsers(model) if model.network.stores_users else UsersByHistory(model)


def _scorer(model: FittedModel) -> tf.Module:
    return DotProduct() if model.network.is_dot_product else NetworkScorer(model)


def _sessions(model: FittedModel) -> tf.Module:
    return NetworkSessions(model) if model.session_map is None else MappedSessions(model)


def _holders(items: EntityTable) -> Iterator[tuple[str, Any]]:
    """Each category that an item can have, and the items that have it, int32."""
    for feature, info in items.infos.items():
        if info.type in (FeatureType.CATEGORICAL, FeatureType.MULTI_CATEGORICAL):
            codes = items.columns[feature].reshape(len(items), -1)
            for code, value in enumerate(info.vocabulary, start=1):
                yield f"{feature}={value}", np.flatnonzero((codes == code).any(axis=1)).astype(np.int32)


def _restricted(scores: tf.Tensor, names: tf.Tensor, columns: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The scores `[B, width]` with all but the columns of the names `[B, n]` excluded, in rows that name anything.

    `columns` gives `[B, m]` of names; names of one row hold for every row.
    """
    named = columns(names)
    named = tf.broadcast_to(named, [tf.shape(scores)[0], tf.shape(named)[1]])
    return tf.where(tf.reduce_any(names != PADDING, axis=1, keepdims=True), only(scores, named), scores)


def _name_anything(names: tf.Tensor) -> tf.Tensor:
    return tf.reduce_any(names != PADDING)


def _gathered(item_vectors: tf.Variable, item: tf.Tensor) -> tf.Tensor:
    """Vectors `[..., dimension]` of items `[...]`, from the columns of `[dimension, width]`."""
    columns = tf.gather(item_vectors, tf.reshape(item, [-1]), axis=1)
    return tf.reshape(tf.transpose(columns), tf.concat([tf.shape(item), [item_vectors.shape[0]]], axis=0))


def _listed(items: tf.Tensor, starts: tf.Tensor, user: tf.Tensor) -> tf.Tensor:
    """The items of users `[B]`, `[B, most]` int32, padded with 0; user n has those from starts[n] to starts[n + 1]."""
    rows = tf.ragged.range(tf.gather(starts, user), tf.gather(starts, user + 1))
    return tf.gather(items, rows).to_tensor()


def _lookup(ids: Any) -> tf.lookup.StaticHashTable:
    """Raw id → index, 0 where unknown; ids may hold line breaks, so they are constants and no text file."""
    # The padding stands first and is 0 like the unknown; with it no table is empty, which TensorFlow refuses.
    keys = _constant(ids, tf.string)
    values = tf.range(len(ids), dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default_value=0)


def _constant(values: Any, dtype: tf.DType) -> tf.Tensor:
    return tf.constant([str(value) for value in values], dtype)


def _frozen(values: Any) -> tf.Variable:
    """Variables and not constants, because a graph holds at most 2 GB of constants."""
    return tf.Variable(values, trainable=False)
