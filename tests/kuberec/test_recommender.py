import numpy as np
import pytest

from kuberec.recommender import top_k


@pytest.mark.parametrize("k", [1, 3, 20, 99])
def test_top_k_is_a_stable_sort_of_all_scores(k: int) -> None:
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 6, size=(50, 20)).astype(np.float32)  # many ties
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[7] = -np.inf
    positions, best = top_k(scores, k)
    expected = np.array([[column for _, column in sorted(zip(-row, range(20), strict=True))][:k] for row in scores])
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(best, np.take_along_axis(scores, expected, axis=1))


def test_nan_comes_last() -> None:
    positions, _ = top_k(np.array([[np.nan, 1.0, 2.0, np.nan]]), 3)
    assert positions.tolist() == [[2, 1, 0]]


def test_no_rows_give_no_lists() -> None:
    positions, best = top_k(np.empty((0, 5), dtype=np.float32), 3)
    assert positions.shape == best.shape == (0, 3)
