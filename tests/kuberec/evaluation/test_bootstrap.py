import numpy as np
import pytest
from scipy import stats

from kuberec.evaluation import bootstrap
from kuberec.evaluation.bootstrap import interval, resampled_means


def test_the_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    ours = interval(values, resampled_means(values[:, None], 5000, seed=1)[:, 0])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=2).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_a_paired_difference_is_tighter_than_two_intervals_allow() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=300)
    second = first - 0.1
    drawn = resampled_means(np.stack([first, second], axis=1), 500, seed=0)
    lead = interval(first - second, drawn[:, 0] - drawn[:, 1])
    assert (lead.low, lead.high) == pytest.approx((0.1, 0.1))
    alone = interval(first, drawn[:, 0])
    assert alone.high - alone.low > 0.2


def test_the_seed_decides_and_blocks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 2))
    whole = resampled_means(values, 100, seed=3)
    assert not np.array_equal(whole, resampled_means(values, 100, seed=4))
    monkeypatch.setattr(bootstrap, "CELLS", 50 * 7)
    np.testing.assert_allclose(resampled_means(values, 100, seed=3), whole, rtol=1e-12)


def test_values_that_are_all_equal_have_no_width() -> None:
    values = np.full(10, 0.25)
    found = interval(values, resampled_means(values[:, None], 50, seed=0)[:, 0])
    assert found.to_json() == {"mean": 0.25, "low": 0.25, "high": 0.25}
