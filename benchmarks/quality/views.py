"""What a recommender is asked in a benchmark: to rank a catalogue, or a test item among given candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kuberec.errors import ModelError
from kuberec.evaluation.bootstrap import Floats
from kuberec.evaluation.contenders import Contender, Role
from kuberec.evaluation.judge import judge
from kuberec.evaluation.metrics import RANKING_METRICS, Truth, ranking_metrics
from kuberec.evaluation.slices import ALL, Slice
from kuberec.features import UNKNOWN_INDEX, Features
from kuberec.recommender import PADDING, Array, Recommendations, Recommender, top_k

BATCH = 1024


@runtime_checkable
class Scorer(Protocol):
    """Scores any items for users, `[B, N]`, by raw ids."""

    def score(self, user_ids: Sequence[str], item_ids: Sequence[Sequence[str]]) -> Array:
        """See `kuberec.training.fitted`."""


@dataclass(frozen=True)
class Measured:
    """A recommender in one view.

    Attributes:
        values: `[users, metrics]` in the order of `RANKING_METRICS`.
        lists: Facts of the lists as a whole: coverage, gini, novelty, popularity; empty where none are made.
    """

    values: Floats
    lists: dict[str, Any]


class View(Protocol):
    """One question of a protocol."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def description(self) -> str:
        """What is ranked for whom, for people."""

    @property
    def users(self) -> int:
        """Number of users who are judged."""

    def measure(self, recommender: Recommender, features: Features, k: int) -> Measured:
        """Ask and measure at cutoff k."""


@dataclass(frozen=True)
class Catalogue:
    """Each test user's positives in a ranking of the whole catalogue, without the items of train and validation.

    Attributes:
        only: Ids of the items that are ranked; None for all.
    """

    name: str
    description: str
    truth: Truth
    only: Array | None = None

    @property
    def users(self) -> int:
        """Number of users with a positive."""
        return len(self.truth.user_ids)

    def measure(self, recommender: Recommender, features: Features, k: int) -> Measured:
        """Rank and measure.

        Raises:
            ModelError: A list holds an item that the user had, or one item twice.
        """
        asked = recommender if self.only is None else Restricted(recommender, self.only, features)
        every = Slice(ALL, self.description, np.ones(len(self.truth.user), dtype=bool))
        judged = judge(Contender(recommender.name, Role.MODEL, {}, asked), self.truth, [every], features, k)
        if judged.faults["observed"] or judged.faults["repeated"]:
            raise ModelError(f"{recommender.name} recommends what a user had, or an item twice: {dict(judged.faults)}")
        return Measured(judged.values[ALL], dict(judged.lists))


@dataclass(frozen=True)
class Candidates:
    """Each user's test item among candidates; another one scored as high as the test item counts as ranked before it.

    Attributes:
        user_ids: `[users]` of str.
        item_ids: `[users, candidates]` of str, the test item first.
    """

    name: str
    description: str
    user_ids: Array
    item_ids: Array

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    def measure(self, recommender: Recommender, features: Features, k: int) -> Measured:
        """Rank and measure."""
        scores = scores_of(recommender, self.user_ids, self.item_ids, features)
        # Written so that a candidate whose score is no number counts against the recommender too.
        ahead = ~(scores[:, 1:] < scores[:, :1]) & (self.item_ids[:, 1:] != self.item_ids[:, :1])
        place = ahead.sum(axis=1)
        found = place[:, None] == np.arange(k)
        metrics = ranking_metrics(found, np.ones(len(place), dtype=np.int64))
        return Measured(np.stack([metrics[name] for name in RANKING_METRICS], axis=1), {})


class Restricted:
    """A recommender that ranks only some of the items, ties by the order in which they are given."""

    def __init__(self, recommender: Recommender, item_ids: Array, features: Features) -> None:
        self.name = recommender.name
        self.recommender, self.item_ids, self.features = recommender, item_ids, features

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        """The k best of the items, best first."""
        asked = np.asarray(user_ids, dtype=object)
        candidates = np.broadcast_to(self.item_ids, (len(asked), len(self.item_ids)))
        order, best = top_k(scores_of(self.recommender, asked, candidates, self.features), k)
        return Recommendations(np.where(np.isneginf(best), PADDING, self.item_ids[order]), best)


def scores_of(recommender: Recommender, user_ids: Array, item_ids: Array, features: Features) -> Array:
    """A recommender's scores `[users, candidates]`.

    One that scores no single items is asked for its whole ranking; what is missing there scores minus infinity.
    """
    parts = [slice(start, start + BATCH) for start in range(0, len(user_ids), BATCH)]
    return np.concatenate([_scores(recommender, user_ids[part], item_ids[part], features) for part in parts])


def _scores(recommender: Recommender, user_ids: Array, item_ids: Array, features: Features) -> Array:
    if isinstance(recommender, Scorer):
        return np.asarray(recommender.score(user_ids.tolist(), item_ids.tolist()))
    items = features.items
    ranked = recommender.recommend(user_ids.tolist(), len(items) - 1)
    every = np.full((len(user_ids), len(items)), -np.inf, dtype=np.float64)
    np.put_along_axis(every, items.indices(ranked.item_ids), ranked.scores, axis=1)
    every[:, UNKNOWN_INDEX] = -np.inf
    return np.take_along_axis(every, items.indices(item_ids), axis=1)
