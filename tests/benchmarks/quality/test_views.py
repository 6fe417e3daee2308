from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.quality.random_order import RandomOrder
from benchmarks.quality.views import Candidates, Catalogue, scores_of
from kuberec.errors import ModelError
from kuberec.evaluation.metrics import RANKING_METRICS, Truth
from kuberec.features import Features
from kuberec.recommender import PADDING, Array, Recommendations, Recommender
from tests.kuberec.builders import make_features

HR, NDCG = RANKING_METRICS.index("hr"), RANKING_METRICS.index("ndcg")
ITEMS = [f"i{number}" for number in range(8)]


@pytest.fixture
def features() -> Features:
    return make_features([("u", "i0", 5, 1), ("v", "i1", 5, 1)], users=["u", "v"], items=ITEMS)


class Fixed:
    """Recommends items by fixed scores, without those it is told to leave out."""

    name = "fixed"

    def __init__(self, scores: Mapping[str, float], without: Sequence[str] = ()) -> None:
        self.scores = {item: score for item, score in scores.items() if item not in without}

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        best = sorted(self.scores, key=lambda item: -self.scores[item])[:k]
        ids = [*best, *[PADDING] * (k - len(best))]
        scores = [self.scores.get(item, -np.inf) for item in ids]
        shape = (len(user_ids), 1)
        return Recommendations(
            np.tile(np.array(ids, dtype=object), shape), np.tile(np.array(scores, dtype=np.float32), shape)
        )


class FixedScorer(Fixed):
    """The same, and scores single items."""

    def score(self, user_ids: Sequence[str], item_ids: Sequence[Sequence[str]]) -> Array:
        return np.array([[self.scores.get(item, -np.inf) for item in items] for items in item_ids])


def asked(*items: str) -> Candidates:
    return Candidates("sampled", "", np.array(["u"], dtype=object), np.array([items], dtype=object))


def metrics_at(place: int) -> tuple[float, float]:
    """HR@3 and NDCG@3 of one item at a place from 1."""
    return (1.0, 1 / float(np.log2(place + 1))) if place <= 3 else (0.0, 0.0)


def approx_at(place: int) -> Any:
    return pytest.approx(metrics_at(place))


@pytest.mark.parametrize("kind", [Fixed, FixedScorer])
class TestCandidates:
    def place(self, recommender: Recommender, features: Features, view: Candidates) -> tuple[float, float]:
        (values,) = view.measure(recommender, features, 3).values
        return float(values[HR]), float(values[NDCG])

    def test_the_place_counts_the_candidates_ahead(self, kind: type[Fixed], features: Features) -> None:
        model = kind(dict(zip(ITEMS, [1, 8, 7, 6, 5, 4, 3, 2], strict=True)))
        assert self.place(model, features, asked("i4", "i1", "i5", "i6")) == approx_at(2)
        assert self.place(model, features, asked("i5", "i1", "i2", "i3", "i6")) == approx_at(4)

    def test_ties_count_against_the_recommender(self, kind: type[Fixed], features: Features) -> None:
        model = kind(dict.fromkeys(ITEMS, 1.0))
        assert self.place(model, features, asked("i1", "i2", "i3")) == approx_at(3)
        assert self.place(model, features, asked("i1", "i2", "i3", "i4")) == (0.0, 0.0)

    def test_an_item_that_is_not_ranked_comes_last(self, kind: type[Fixed], features: Features) -> None:
        model = kind(dict.fromkeys(ITEMS, 1.0), without=["i1", "i2"])
        assert self.place(model, features, asked("i1", "i2", "i3")) == approx_at(3)
        assert self.place(model, features, asked("i3", "i1", "i2")) == approx_at(1)

    def test_the_test_item_does_not_count_against_itself(self, kind: type[Fixed], features: Features) -> None:
        model = kind(dict.fromkeys(ITEMS, 1.0))
        assert self.place(model, features, asked("i1", "i1", "i2")) == approx_at(2)


def test_a_score_that_is_no_number_counts_against_the_recommender(features: Features) -> None:
    model = FixedScorer({"i1": float("nan"), "i2": 1.0, "i3": 0.0})
    (values,) = asked("i1", "i2", "i3").measure(model, features, 3).values
    assert values[NDCG] == pytest.approx(metrics_at(3)[1])


def test_scores_are_the_same_asked_singly_or_by_the_whole_ranking(features: Features) -> None:
    scores = {item: float(number * 7 % 5) for number, item in enumerate(ITEMS)}
    users, items = np.array(["u", "v"], dtype=object), np.array([["i3", "i0"], ["i7", "unheard of"]], dtype=object)
    singly = scores_of(FixedScorer(scores), users, items, features)
    assert (scores_of(Fixed(scores), users, items, features) == singly).all()


class TestCatalogue:
    def truth(self, features: Features) -> Truth:
        return Truth.of(["u", "v"], ["i5", "i6"], features.items)

    def test_only_the_given_items_are_ranked(self, features: Features) -> None:
        scores = dict(zip(ITEMS, [0, 0, 9, 8, 7, 6, 5, 4], strict=True))
        every = Catalogue("full", "", self.truth(features)).measure(Fixed(scores), features, 2)
        assert every.values[:, HR].tolist() == [0.0, 0.0]
        only = np.array(["i5", "i6", "i7"], dtype=object)
        some = Catalogue("cold", "", self.truth(features), only).measure(Fixed(scores), features, 2)
        assert some.values[:, NDCG] == pytest.approx([1.0, 1 / np.log2(3)])

    def test_items_that_a_user_had_are_an_error(self, features: Features) -> None:
        with pytest.raises(ModelError, match="had"):
            Catalogue("full", "", self.truth(features)).measure(Fixed(dict.fromkeys(ITEMS, 1.0)), features, 8)


class TestRandomOrder:
    def test_it_ranks_everything_but_what_the_user_had(self, features: Features) -> None:
        ranked = RandomOrder(features, 0).recommend(["u", "v", "stranger"], 8)
        assert set(ranked.item_ids[0]) == {*ITEMS, PADDING} - {"i0"}
        assert set(ranked.item_ids[1]) == {*ITEMS, PADDING} - {"i1"}
        assert set(ranked.item_ids[2]) == set(ITEMS)
        assert (np.diff(ranked.scores[2]) <= 0).all()

    def test_the_seed_and_the_user_decide_the_order(self, features: Features) -> None:
        def order(seed: int, user: str) -> list[str]:
            return list(RandomOrder(features, seed).recommend([user], 8).item_ids[0])

        assert order(0, "x") == order(0, "x")
        assert order(0, "x") != order(1, "x")
        assert order(0, "x") != order(0, "y")
