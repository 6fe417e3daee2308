"""Strong simple recommenders that every model must stand beside.

Each baseline chooses its hyperparameters from a small grid by NDCG on the validation part, fitted on the training
part; then it is fitted on both (`features.observed`). It learns from positives and never recommends what a user has
been observed with. A user without positives gets the popularity of late, over the window that the validation part
favours.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from kuberec.ease import co_counts, item_weights
from kuberec.errors import ConfigError
from kuberec.evaluation.metrics import Truth, hits, ranked_lists, ranking_metrics
from kuberec.features import EncodedInteractions, EntityTable, Features
from kuberec.recommender import PADDING, Array, Recommendations, top_k

CELLS = 1 << 24
"""Greatest number of cells of a block of scores: 64 MiB."""
DAY = 24 * 3600 * 10**6
WINDOW = "days"
"""Hyperparameter that all baselines share: how many days popularity looks back, None for all time."""

Parameters = Mapping[str, Any]


class Baseline:
    """A recommender that scores the whole catalogue for a block of users at a time.

    Subclasses set `name` and `grid` and write `fit` and `scores`.
    """

    name: str
    grid: tuple[Parameters, ...]
    """Hyperparameters to choose from; the first is taken where the validation part has no positives."""

    def __init__(
        self, users: EntityTable, items: EntityTable, known: EncodedInteractions, parameters: Parameters, seed: int
    ) -> None:
        """Fit on the positives of `known`; all of `known` is excluded from what is recommended."""
        self.users, self.items = users, items
        self.parameters = dict(parameters)
        self.seed = seed
        self.sequence = known.positives()
        self.positives = _matrix(self.sequence, users, items)
        self.observed = _matrix(known, users, items)
        self.takers = _column_sums(self.positives)
        self.popularity = self._popularity_of(self.parameters.get(WINDOW))
        if len(self.sequence):
            self.fit(self.parameters)

    def fit(self, chosen: Parameters) -> None:
        """Learn from `self.positives` and `self.sequence`."""
        raise NotImplementedError

    def scores(self, rows: Array) -> Array:
        """Scores `[rows, items]` for users by index, each with at least one positive; item index i is column i - 1."""
        raise NotImplementedError

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        """The k best unobserved items, best first, ties by the lower index; k is cut to the catalogue's size."""
        rows = self.users.indices(user_ids)
        k = min(k, len(self.items) - 1)
        item_ids = np.full((len(rows), k), PADDING, dtype=object)
        scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
        block = max(1, CELLS // len(self.items))
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            order, best = top_k(self._unobserved_scores(rows[part]), k)
            scores[part] = best
            item_ids[part] = np.where(np.isneginf(best), PADDING, self.items.ids[1:][order])
        return Recommendations(item_ids, scores)

    def _unobserved_scores(self, rows: Array) -> Array:
        scores = np.tile(self.popularity, (len(rows), 1))
        warm = np.diff(self.positives.indptr)[rows] > 0
        if warm.any():
            scores[warm] = self.scores(rows[warm])
        scores[self.observed[rows].nonzero()] = -np.inf
        return scores

    def _popularity_of(self, days: int | None) -> Array:
        """Users who took each item in the last days before the newest positive; earlier ones break ties."""
        if days is None or not len(self.sequence):
            return self.takers
        recent = self.sequence.take(self.sequence.timestamp > self.sequence.timestamp.max() - days * DAY)
        lately = _column_sums(_matrix(recent, self.users, self.items))
        return np.asarray(lately + self.takers / (self.takers.max() + 1), dtype=np.float32)

    def _popularity_below(self, scores: Array) -> Array:
        """Items without a score, ordered by popularity behind those with one."""
        return np.where(scores > 0, scores, self.popularity - self.popularity.max() - 1)


class Popularity(Baseline):
    """The number of users who took the item, over all time."""

    name = "popularity"
    grid: tuple[Parameters, ...] = ({WINDOW: None},)

    def fit(self, chosen: Parameters) -> None:
        """Nothing beyond what every baseline falls back on."""

    def scores(self, rows: Array) -> Array:
        """The same for everybody."""
        return np.tile(self.popularity, (len(rows), 1))


class RecentPopularity(Popularity):
    """The number of users who took the item in the last days before the newest positive."""

    name = "recent_popularity"
    grid: tuple[Parameters, ...] = tuple({WINDOW: days} for days in (None, 180, 90, 30, 14, 7))


class ItemKNN(Baseline):
    """Nearest neighbours between items: cosine, TF-IDF or BM25 of their users, through `implicit`."""

    name = "item_knn"
    weightings: ClassVar = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}
    grid: tuple[Parameters, ...] = tuple(
        {"weighting": weighting, "neighbours": neighbours}
        for weighting in ("cosine", "tfidf", "bm25")
        for neighbours in (20, 100, 500)
    )

    def fit(self, chosen: Parameters) -> None:
        """Similarity of each item to its nearest ones, `[items, items]` sparse."""
        model = self.weightings[chosen["weighting"]](K=chosen["neighbours"], num_threads=1)
        # TF-IDF and BM25 give items that everybody took no weight, and then divide by it.
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # It weighs in coordinate form and then warns of its own conversion.
            warnings.filterwarnings("ignore", message="Method expects CSR input", category=ParameterWarning)
            model.fit(self.positives.astype(np.float64), show_progress=False)
        self.similarity = model.similarity
        self.similarity.data = np.nan_to_num(self.similarity.data)

    def scores(self, rows: Array) -> Array:
        """Sum of the similarities to the user's items."""
        return self._popularity_below((self.positives[rows] @ self.similarity).toarray().astype(np.float32))


class EASE(Baseline):
    """Embarrassingly shallow autoencoder (Steck 2019): a ridge regression of each item on the others.

    Costs memory for items squared and time for items cubed: 3,700 items take 55 MB a matrix and seconds; beyond
    `most_items` only the most popular are modelled.
    """

    name = "ease"
    grid: tuple[Parameters, ...] = tuple({"regularization": value} for value in (100.0, 250.0, 600.0, 1500.0))
    most_items = 10_000

    def fit(self, chosen: Parameters) -> None:
        """Weights `[columns, columns]` between the modelled items."""
        self.columns = np.sort(np.argsort(-self.takers, kind="stable")[: self.most_items])
        self.weights = item_weights(co_counts(self.positives[:, self.columns]), chosen["regularization"])

    def scores(self, rows: Array) -> Array:
        """The user's items times the weights; 0 for items that are not modelled."""
        scores = np.zeros((len(rows), len(self.popularity)), dtype=np.float32)
        scores[:, self.columns] = self.positives[rows][:, self.columns] @ self.weights
        return scores


class ALS(Baseline):
    """Matrix factorisation of implicit feedback by alternating least squares (Hu et al. 2008), through `implicit`."""

    name = "als"
    grid: tuple[Parameters, ...] = tuple(
        {"factors": factors, "regularization": regularization, "alpha": alpha}
        for factors in (16, 64)
        for regularization in (1.0, 10.0)
        for alpha in (1.0, 10.0)
    )

    def fit(self, chosen: Parameters) -> None:
        """Factors of users and items."""
        options = {name: chosen[name] for name in ("factors", "regularization", "alpha")}
        model = AlternatingLeastSquares(**options, iterations=15, random_state=self.seed, num_threads=0)
        model.fit(self.positives, show_progress=False)
        self.user_factors, self.item_factors = model.user_factors, model.item_factors

    def scores(self, rows: Array) -> Array:
        """Dot products of the user's factors with every item's."""
        return np.asarray(self.user_factors[rows] @ self.item_factors.T)


class Markov(Baseline):
    """First-order Markov chain: what users took right after the user's latest items."""

    name = "markov"
    grid: tuple[Parameters, ...] = tuple({"last": last} for last in (1, 2, 5, 10, 20))

    def fit(self, chosen: Parameters) -> None:
        """Transition probabilities `[items, items]` sparse, and each user's weights of the `last` items."""
        user, item = self.sequence.user, self.sequence.item - 1
        follows = user[1:] == user[:-1]
        size = len(self.popularity)
        counts = csr_matrix((np.ones(follows.sum()), (item[:-1][follows], item[1:][follows])), shape=(size, size))
        total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
        self.transitions = csr_matrix(counts.multiply(1 / total[:, None]))
        # The sequence is ordered by user, then time: a row's distance to its user's end gives its place from the last.
        ends = np.cumsum(np.bincount(user, minlength=len(self.users)))
        place = ends[user] - np.arange(len(user))
        recent = place <= chosen["last"]
        shape = (len(self.users), size)
        self.latest = csr_matrix((1 / place[recent], (user[recent], item[recent])), shape=shape)

    def scores(self, rows: Array) -> Array:
        """Transition probabilities from the latest items, each weighted by 1 / its place from the last."""
        return self._popularity_below((self.latest[rows] @ self.transitions).toarray().astype(np.float32))


KINDS: Mapping[str, type[Baseline]] = {
    kind.name: kind for kind in (Popularity, RecentPopularity, ItemKNN, EASE, ALS, Markov)
}
BASELINES = tuple(KINDS)


def fit_baseline(name: str, features: Features, *, k: int = 10, seed: int = 0) -> Baseline:
    """Choose a baseline's hyperparameters on the validation part, then fit it on training and validation.

    Args:
        name: One of `BASELINES`.
        features: What may be known; test rows are never part of it.
        k: Cut-off of the NDCG that chooses.
        seed: Seed of what is random (ALS).

    Raises:
        ConfigError: There is no such baseline.
    """
    if name not in KINDS:
        raise ConfigError(f"there is no baseline {name!r}; the baselines are {', '.join(BASELINES)}")
    # One BLAS thread: implicit brings its own threads, and sums do not depend on the number of cores.
    with threadpool_limits(1, "blas"):
        chosen = _choose(KINDS[name], features, k, seed)
        return KINDS[name](features.users, features.items, features.observed, chosen, seed)


def _choose(kind: type[Baseline], features: Features, k: int, seed: int) -> Parameters:
    """The best of a baseline's grid on the validation part, with the best window for popularity before it."""
    wanted = features.validation.positives()
    if kind is Popularity or not len(wanted) or not features.train.label.any():
        return kind.grid[0]
    truth = Truth.of(features.users.ids[wanted.user], features.items.ids[wanted.item], features.items)

    def quality(tried: type[Baseline], parameters: Parameters) -> float:
        model = tried(features.users, features.items, features.train, parameters, seed)
        lists = ranked_lists(model, truth.user_ids, k, features.items)
        return float(ranking_metrics(hits(lists, truth), truth.sizes)["ndcg"].mean())

    windows = RecentPopularity.grid if features.spec.times_are_comparable else RecentPopularity.grid[:1]
    window = max(windows, key=lambda parameters: quality(RecentPopularity, parameters))
    if kind is RecentPopularity:
        return window
    return max(({**window, **parameters} for parameters in kind.grid), key=lambda parameters: quality(kind, parameters))


def _matrix(interactions: EncodedInteractions, users: EntityTable, items: EntityTable) -> csr_matrix:
    """Ones `[users, items]` where a user took an item; item index i is column i - 1."""
    cells = (interactions.user, interactions.item - 1)
    matrix = csr_matrix(
        (
            np.ones(len(interactions), np.float32),
            cells,
        ),
        shape=(len(users), len(items) - 1),
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _column_sums(matrix: csr_matrix) -> Array:
    return np.asarray(matrix.sum(axis=0), dtype=np.float32).ravel()
