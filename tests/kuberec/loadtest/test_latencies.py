import numpy as np
import pytest

from kuberec.loadtest.latencies import Latencies


def filled(seconds: np.ndarray) -> Latencies:  # type: ignore[type-arg]
    latencies = Latencies()
    for value in seconds:
        latencies.record(float(value))
    return latencies


TIMES = np.random.default_rng(0).lognormal(mean=-7, sigma=1.5, size=5000)  # around a millisecond, from 10 us to 0.2 s


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 99.9])
def test_percentiles_are_those_of_the_values_to_a_thousandth(percent: float) -> None:
    rank = round(percent / 100 * len(TIMES))
    below, above = np.sort(TIMES)[[rank - 2, rank]]
    assert below * 0.999 - 1e-6 <= filled(TIMES).percentile(percent) <= above * 1.001 + 1e-6


def test_parts_add_up_to_the_whole_also_when_packed() -> None:
    whole, sum_, packed = filled(TIMES), filled(TIMES[:1000]), filled(TIMES[:1000])
    sum_.add(filled(TIMES[1000:]))
    packed.add_packed(filled(TIMES[1000:]).pack())
    assert list(whole.curve()) == list(sum_.curve()) == list(packed.curve())
    assert whole.count == sum_.count == packed.count == 5000
    assert whole.longest == packed.longest == pytest.approx(TIMES.max(), rel=2e-3)


def test_the_curve_rises_to_one() -> None:
    seconds, shares = zip(*filled(TIMES).curve(), strict=True)
    assert list(seconds) == sorted(seconds)
    assert shares[-1] == 1.0
    assert np.interp(np.median(TIMES), seconds, shares) == pytest.approx(0.5, abs=0.01)


def test_nothing_is_zero_and_what_lies_outside_counts_as_the_ends() -> None:
    latencies = Latencies()
    assert (latencies.count, latencies.percentile(99), latencies.longest) == (0, 0.0, 0.0)
    latencies.add_packed(Latencies().pack())
    assert latencies.count == 0
    latencies.record(-1.0)
    latencies.record(1e6)
    assert latencies.count == 2
    assert latencies.percentile(50) == pytest.approx(1e-6)
    assert latencies.longest == pytest.approx(600, rel=2e-3)
