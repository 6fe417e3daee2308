"""A trained network bound to its data: vectors for every user, item and session, and ranked lists."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kuberec.errors import ModelError
from kuberec.features import UNKNOWN_INDEX
from kuberec.recommender import PADDING, Recommendations, top_k
from kuberec.training.config import FamilyConfig
from kuberec.training.data import TrainingData
from kuberec.training.network import RetrievalNetwork
from kuberec.training.sessions import SessionMap

Array = npt.NDArray[Any]
BATCH = 1024
"""Users that are ranked at once."""
PAIRED = 16
"""Users that meet the items in a network of their own at once: every pair has its hidden layers."""
ITEMS = 1 << 16
"""Items that are scored at once: with a batch of users, 256 MiB."""
EXCLUDED = -np.inf


class FittedModel:
    """Answers from a trained network: a `Recommender`, and the reference that an export must agree with.

    Every vector has one dimension more than the network's: there, items hold their popularity of late and users hold
    0, but an unknown user holds 1 there and 0 elsewhere, so that the same product gives popularity. Where the network's
    vectors do not meet in a dot product, that dimension is added to what the network makes of the others.

    Args:
        name: The family's name.
        config: Its hyperparameters.
        network: The trained network.
        data: Everything the model was fitted on.
    """

    def __init__(self, name: str, config: FamilyConfig, network: RetrievalNetwork, data: TrainingData) -> None:
        self.name = name
        self.config = config
        self.network = network
        self.data = data

    @cached_property
    def item_vectors(self) -> Array:
        """`[n_items + 1, dimension]` float32; row 0 is the unknown item: no taste, the least bias, no popularity.

        No taste is zeros in a dot product; a network of its own is given the mean of the items instead.
        """
        index = np.arange(len(self.data.items), dtype=np.int32)
        vectors = _in_batches(lambda part: self.network.encode_items(self.data.item_inputs(part)), index)
        known = vectors[self.data.item_known]
        blank = np.zeros_like(known[0]) if self.network.is_dot_product else known.mean(axis=0)
        blank[-1] = self.network.unknown_bias(known)
        vectors[~self.described] = blank
        if self.network.scores_log_odds:
            vectors[:, -1] += self.data.trend
        return np.concatenate([vectors, self.data.popularity[:, None]], axis=1)

    def user_vectors(self, user: Array) -> Array:
        """Vectors of users `[B]`: `[B, dimension]` float32; who has none of their own gets the popularity vector."""
        vectors = _in_batches(lambda part: self.network.encode_users(self.data.user_inputs(part)), user)
        vectors = np.concatenate([vectors, np.zeros_like(vectors[:, :1])], axis=1)
        impersonal = ~self.personal[user]
        vectors[impersonal, :-1], vectors[impersonal, -1] = 0, 1
        return vectors

    @cached_property
    def personal(self) -> Array:
        """`[n_users + 1]` bool: who has a vector of their own, by their positives or by their features."""
        by_features = self.data.users.described & self.network.uses_user_features
        return np.asarray(self.data.user_known | by_features)

    @cached_property
    def described(self) -> Array:
        """`[n_items + 1]` bool: which items have a vector of their own, by their positives or by their features."""
        by_features = self.data.items.described & self.network.uses_item_features
        return np.asarray(self.data.item_known | by_features)

    @cached_property
    def session_map(self) -> SessionMap | None:
        """From items to a user's vector, for networks without a history tower; else None."""
        if self.network.uses_history:
            return None
        known = np.flatnonzero(self.data.user_known)
        vectors = self.user_vectors(known)[:, :-1]
        return SessionMap.fit(vectors, self.item_vectors[:, :-1], self.data.histories[known])

    def session_vectors(self, user: Array, histories: Array) -> Array:
        """Vectors of users who just took the items of `histories` `[B, T]` (indices, 0-padded): `[B, dimension]`.

        A session of n items counts n / (n + session_weight) against the user's own vector, and wholly where the user
        has none; an empty session changes nothing.
        """
        base = self.user_vectors(user)
        count = (histories != UNKNOWN_INDEX).sum(axis=1)
        share = np.where(self.personal[user], count / (count + self.config.session_weight), count > 0)
        if self.session_map is None:
            inputs = self.data.user_inputs(user, histories)
            vectors = np.asarray(self.network.encode_users({**inputs, "index": np.zeros_like(user)}))
        else:
            vectors = self.session_map(self.item_vectors[:, :-1], histories)
        vectors = np.concatenate([vectors, np.zeros_like(vectors[:, :1])], axis=1)
        return np.asarray(base + share[:, None] * (vectors - base), dtype=np.float32)

    def recommend(
        self, user_ids: Sequence[str], k: int, histories: Sequence[Sequence[str]] | None = None
    ) -> Recommendations:
        """The k best items for each user, without observed items and without those of the session; see `Recommender`.

        Args:
            user_ids: Raw ids.
            k: Cut to the size of the catalogue.
            histories: Raw ids of the items each user just took, oldest first; unknown ones say nothing.

        Raises:
            ModelError: There is not one history for each user.
        """
        user = self.data.users.indices(user_ids)
        if histories is None:
            return self._named(*self.rank(user, k))
        session = self.data.items.indices(_padded("histories", histories, len(user)))
        return self._named(*self.rank(user, k, session))

    def rank(self, user: Array, k: int, histories: Array | None = None) -> tuple[Array, Array]:
        """As `recommend`, by index.

        Args:
            user: `[B]` indices of users.
            k: Cut to the size of the catalogue.
            histories: `[B, T]` indices of the items each user just took, 0-padded.

        Returns:
            Indices of items `[B, k]`, 0 where nothing is left, and their scores `[B, k]`, there minus infinity.
        """
        parts = [self._rank(user[start : start + BATCH], k, histories, start) for start in _starts(user)]
        return np.concatenate([items for items, _ in parts]), np.concatenate([scores for _, scores in parts])

    def similar_items(self, item_ids: Sequence[str], k: int) -> Recommendations:
        """The k items nearest to each item: by the cosine of their vectors, biases and popularity left out, or by their
        scores after a history of the item alone, as the network has it.

        An unknown item, or one without a vector of its own, gets an empty list: padding and minus infinity.
        """
        item = self.data.items.indices(item_ids)
        scores = self._similarities(item)
        scores[np.arange(len(item)), item] = EXCLUDED
        scores[self.item_scales[item] == 0] = EXCLUDED
        return self._named(*_best(scores, k))

    def _similarities(self, item: Array) -> Array:
        """`[B, n_items + 1]` of items `[B]`."""
        if self.network.similar_by_history:
            nobody = np.full_like(item, UNKNOWN_INDEX)
            return self._scores(self.session_vectors(nobody, item[:, None]), self.item_vectors)
        vectors, scales = self.item_vectors[:, :-2], self.item_scales
        return np.asarray((vectors[item] * scales[item, None]) @ vectors.T * scales)

    @cached_property
    def item_scales(self) -> Array:
        """1 / length of each item's vector without bias and popularity, `[n_items + 1]` float32; 0 where none."""
        lengths: Array = np.linalg.norm(self.item_vectors[:, :-2], axis=1)
        scales = np.zeros_like(lengths)
        return np.divide(1, lengths, out=scales, where=self.described & (lengths > 0))

    def score(self, user_ids: Sequence[str], item_ids: Sequence[Sequence[str]]) -> Array:
        """Scores `[B, N]` of items for users, by raw ids; unknown items, and the padding "", get row 0's score.

        Raises:
            ModelError: There is not one list of items for each user.
        """
        users = self.user_vectors(self.data.users.indices(user_ids))[:, None, :]
        items = self.item_vectors[self.data.items.indices(_padded("item_ids", item_ids, len(users)))]
        if self.network.is_dot_product:
            return np.asarray(np.einsum("bod,bnd->bn", users, items), dtype=np.float32)
        known = self.network.interact(users[..., :-1], items[..., :-1])
        return np.asarray(known + users[..., -1] * items[..., -1])

    def _rank(self, user: Array, k: int, histories: Array | None, start: int) -> tuple[Array, Array]:
        if histories is None:
            vectors, session = self.user_vectors(user), None
        else:
            session = histories[start : start + len(user)]
            vectors = self.session_vectors(user, session)
        parts = [self._best_of(vectors, user, session, first, k) for first in range(1, len(self.item_vectors), ITEMS)]
        if len(parts) == 1:
            return parts[0]
        items, scores = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
        column, best = top_k(scores, k)
        return np.take_along_axis(items, column, axis=1), best

    def _best_of(self, vectors: Array, user: Array, session: Array | None, first: int, k: int) -> tuple[Array, Array]:
        """The k best among a block of the items, so that no matrix of all scores is ever held."""
        block = slice(first, first + ITEMS)
        scores = self._scores(vectors, self.item_vectors[block])
        taken = self.data.observed[user][:, block].tocoo()
        scores[taken.row, taken.col] = EXCLUDED
        if session is not None:
            row, column = np.nonzero((session >= first) & (session < first + len(scores.T)))
            scores[row, session[row, column] - first] = EXCLUDED
        columns, best = top_k(scores, k)
        return np.where(np.isfinite(best), columns + first, UNKNOWN_INDEX), best

    def _scores(self, users: Array, items: Array) -> Array:
        """`[B, M]` of user vectors and item vectors."""
        if self.network.is_dot_product:
            return np.asarray(users @ items.T)
        parts = [
            self.network.cross(users[n : n + PAIRED, :-1], items[:, :-1]) for n in range(0, max(len(users), 1), PAIRED)
        ]
        known = np.concatenate([np.asarray(part) for part in parts])
        return np.asarray(known + users[:, -1:] @ items[:, -1:].T)

    def _named(self, items: Array, scores: Array) -> Recommendations:
        # The unknown item's id is the padding.
        return Recommendations(self.data.items.ids[items], scores)


def _best(scores: Array, k: int) -> tuple[Array, Array]:
    """The k best columns of `[B, n_items + 1]` scores, never the unknown item; 0 where only excluded ones are left."""
    columns, best = top_k(scores[:, 1:], k)
    return np.where(np.isfinite(best), columns + 1, UNKNOWN_INDEX), best


def _padded(name: str, lists: Sequence[Sequence[str]], n_users: int) -> Array:
    """Raw ids `[n_users, width]` of a list for each user, padded at the end."""
    texts = [ids for ids in lists if isinstance(ids, str)]  # a text would be read as a list of letters
    if len(lists) != n_users or texts:
        got = f"the text {texts[0]!r}" if texts else f"{len(lists)} lists"
        raise ModelError(f"{name}: one list of item ids for each of the {n_users} users was expected, got {got}.")
    width = max(map(len, lists), default=0)
    rows = [[*ids, *[PADDING] * (width - len(ids))] for ids in lists]
    return np.array(rows, dtype=object).reshape(n_users, width)


def _starts(index: Array) -> range:
    return range(0, max(len(index), 1), BATCH)


def _in_batches(encode: Any, index: Array) -> Array:
    parts = [encode(index[start : start + BATCH]) for start in _starts(index)]
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])
