import numpy as np
import pytest

from kuberec.loadtest.arrivals import Arrivals, draw_arrivals
from tests.kuberec.loadtest.builders import scenario

LONG = [{"seconds": 2000, "rate": 50}]
SESSIONS = {"requests": 4, "gap_seconds": 10}


def draw(**changes: object) -> Arrivals:
    return draw_arrivals(scenario(**changes), np.random.default_rng(0))


def test_even_arrivals_keep_their_distance() -> None:
    arrivals = draw(arrivals="even", phases=[{"seconds": 2, "rate": 4}, {"seconds": 1, "rate": 2}])
    assert arrivals.seconds.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5]


def test_poisson_arrivals_have_the_rate_and_gaps_as_long_as_their_deviation() -> None:
    seconds = draw(phases=LONG).seconds
    assert len(seconds) == pytest.approx(100_000, rel=0.02)
    gaps = np.diff(seconds)
    assert gaps.min() >= 0
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.02)


def test_each_phase_has_its_own_rate() -> None:
    seconds = draw(phases=[{"seconds": 1000, "rate": 10}, {"seconds": 500, "rate": 40}]).seconds
    assert (seconds < 1000).sum() == pytest.approx(10_000, rel=0.05)
    assert (seconds >= 1000).sum() == pytest.approx(20_000, rel=0.05)
    assert seconds.max() < 1500


def test_sessions_have_the_rate_from_the_first_second_on() -> None:
    drawn = [draw_arrivals(scenario(phases=LONG, sessions=SESSIONS), np.random.default_rng(seed)) for seed in range(20)]
    per_part = np.histogram(np.concatenate([each.seconds for each in drawn]), bins=20, range=(0, 2000))[0]
    # A session lasts 30 s: without those that began before the start the first of these parts would lack a fifth.
    assert per_part[0] == pytest.approx(100_000, rel=0.03)
    assert per_part[-1] == pytest.approx(100_000, rel=0.03)
    assert per_part.sum() == pytest.approx(2_000_000, rel=0.01)


def test_sessions_come_in_bursts_of_the_mean_length_and_gap() -> None:
    arrivals = draw(phases=LONG, sessions=SESSIONS)
    begun_inside = set(arrivals.session[(arrivals.position == 0) & (arrivals.seconds < 1800)])
    inside = np.isin(arrivals.session, list(begun_inside))
    assert inside.sum() / len(begun_inside) == pytest.approx(4, rel=0.03)
    order = np.lexsort((arrivals.position, arrivals.session))
    same = np.diff(arrivals.session[order]) == 0
    assert np.diff(arrivals.seconds[order])[same].mean() == pytest.approx(10, rel=0.03)
    assert (np.diff(arrivals.position[order])[same] == 1).all()
    # Bursts: more variance from second to second than Poisson's, which equals the mean.
    per_minute = np.bincount((arrivals.seconds // 60).astype(int))[:-1]
    assert per_minute.var() > 2 * per_minute.mean()


def test_sessions_of_one_request_are_plain_poisson() -> None:
    arrivals = draw(phases=LONG, sessions={"requests": 1, "gap_seconds": 10})
    assert set(arrivals.position) == {0}
    assert len(arrivals.seconds) == pytest.approx(100_000, rel=0.02)


def test_arrivals_are_in_the_order_of_time_and_inside_the_scenario() -> None:
    arrivals = draw(sessions=SESSIONS)
    assert (np.diff(arrivals.seconds) >= 0).all()
    assert arrivals.seconds[0] >= 0
    assert arrivals.seconds[-1] < 10
