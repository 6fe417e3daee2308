import pytest

from kuberec.loadtest.asking import Answer
from kuberec.loadtest.figures import figures
from tests.kuberec.loadtest.builders import outcome, recording, scenario, traffic

DEADLINE = Answer("DEADLINE_EXCEEDED", "Deadline Exceeded")
OUTCOMES = [
    outcome(0.5, 0.010),
    outcome(0.9, 0.300),  # comes in the second after
    outcome(2.5, 0.020, signature="score", answer=Answer(version=2)),
    outcome(3.0, 0.001, answer=DEADLINE),
    outcome(9.9, 0.400, late=0.2),  # comes after the end
]


def test_latency_counts_where_a_request_was_due_and_an_answer_where_it_came() -> None:
    played = recording(scenario(), *OUTCOMES)
    assert {place: part.count for place, part in played.over_time.items()} == {0: 2, 2: 1, 3: 1, 9: 1}
    assert dict(played.answered) == {0: 1, 1: 1, 2: 1, 10: 1}
    assert dict(played.failed) == {3: 1}
    assert {version: dict(counts) for version, counts in played.versions.items()} == {1: {0: 1, 1: 1, 10: 1}, 2: {2: 1}}


def test_a_request_that_fails_fast_is_not_fast() -> None:
    played = recording(scenario(timeout_seconds=2), *OUTCOMES)
    assert played.whole().longest == pytest.approx(2.0, rel=2e-3)
    assert played.errors == {"DEADLINE_EXCEEDED": 1}
    assert played.examples == {"DEADLINE_EXCEEDED": "Deadline Exceeded"}


def test_recordings_of_workers_add_up_to_one() -> None:
    whole = recording(scenario(), *OUTCOMES)
    merged = recording(scenario())
    for part in (OUTCOMES[:2], OUTCOMES[2:]):
        merged.add_packed(recording(scenario(), *part).pack())
    assert figures(merged, scenario(), traffic()) == figures(whole, scenario(), traffic())
    assert merged.count == 5


def test_bins_are_wider_in_a_long_test() -> None:
    long = scenario(phases=[{"seconds": 3600, "rate": 1}])
    played = recording(long, outcome(3599.0))
    assert played.bin_seconds == 30
    assert list(played.over_time) == [119]


def test_throughput_counts_right_answers_before_the_end() -> None:
    drawn = traffic()
    measured = figures(recording(scenario(), *OUTCOMES), scenario(), drawn)
    assert measured["throughput"] == pytest.approx(3 / 10)
    assert measured["in_flight_at_end"] == 1
    assert measured["intended_rate"] == pytest.approx(len(drawn) / 10)
    assert measured["error_rate"] == pytest.approx(1 / 5)
    assert measured["lateness_ms"]["max"] == pytest.approx(200, rel=2e-3)
    assert measured["versions"] == {"1": 3, "2": 1}
    over_time = measured["over_time"]
    assert sum(over_time["intended_rate"]) == len(drawn)
    assert over_time["latency_ms"]["p50"][1] is None
    assert over_time["latency_ms"]["p99"][0] == pytest.approx(300, rel=2e-2)
    assert measured["curve"]["share"][-1] == 1.0
