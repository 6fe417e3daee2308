"""NDCG of the speed benchmarks, and the clock that stands still while it is taken."""

import time

import numpy as np
import pytest
from scipy import sparse

from benchmarks.speed.judge import METRIC, Array, Curve, K, ndcg, ranked


def test_ndcg_falls_with_the_logarithm_of_the_place() -> None:
    lists = np.array([[5, 1, 2], [1, 2, 5], [1, 2, 3]])
    assert ndcg(lists, np.array([5, 5, 5])) == pytest.approx((1 + 0.5 + 0) / 3)


def test_lists_hold_the_best_items_that_were_not_taken() -> None:
    scores = np.random.default_rng(0).normal(size=(1_100, 30)).astype(np.float32)
    taken = sparse.csr_matrix(scores > 0.5)
    lists = ranked(lambda users: scores[users], taken)
    assert lists.shape == (1_100, K)
    for user in (0, 1_050):
        free = [item for item in np.argsort(-scores[user]) if scores[user, item] <= 0.5]
        assert lists[user].tolist() == free[:K]


def test_judging_takes_no_time_on_the_curve() -> None:
    curve = Curve(np.array([1]))

    def slow() -> Array:
        time.sleep(0.3)
        return np.array([[0, 1]])

    curve.add(1, slow)
    curve.add(2, lambda: np.array([[1, 0]]))
    curve.add(3, lambda: np.array([[1, 0]]))
    assert [point[METRIC] for point in curve.points] == [0.6309, 1.0, 1.0]
    assert curve.best["passes"] == 2
    assert curve.points[-1]["seconds"] < 0.3
