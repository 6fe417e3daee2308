from pathlib import Path
from typing import Any

import pytest

from kuberec.errors import ConfigError
from kuberec.loadtest.asking import Answer
from kuberec.loadtest.figures import figures
from kuberec.loadtest.player import Outcome
from kuberec.loadtest.slo import Judgement, Limits, Slo, Verdict, judge, load_slo
from tests.kuberec.loadtest.builders import outcome, recording, scenario, traffic

LIMITS = Limits(latency_ms={"p50": 20, "p99": 50}, error_rate=0.01, throughput=0.95)
LATENESS_MS = 10.0


def judged(outcomes: list[Outcome], **changes: Any) -> Judgement:
    played = scenario(**changes)
    return judge(figures(recording(played, *outcomes), played, traffic(**changes)), played, LIMITS, LATENESS_MS)


def answers(count: int | None = None, **changes: Any) -> list[Outcome]:
    """Right answers to so many of the scenario's requests, all of them when absent."""
    due = traffic().arrivals.seconds[:count]
    return [outcome(**({"due": float(seconds)} | changes)) for seconds in due]


def test_what_keeps_to_every_limit_passes() -> None:
    judgement = judged(answers())
    assert judgement.verdict is Verdict.PASS
    assert judgement.verdict.exit_code == 0
    assert not judgement.reasons
    assert [check.name for check in judgement.checks][2:] == ["latency p50", "latency p99", "error rate", "throughput"]


def test_slow_answers_fail_by_the_percentile_that_is_broken() -> None:
    mixed = answers()
    mixed[::50] = [outcome(each.due, 0.2) for each in mixed[::50]]
    judgement = judged(mixed)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.verdict.exit_code == 1
    (reason,) = judgement.reasons
    assert reason.startswith("latency p99 is 200.")
    assert reason.endswith("ms, above the limit of 50 ms")


def test_errors_fail_with_their_kinds() -> None:
    mixed = answers()
    mixed[::20] = [outcome(each.due, answer=Answer("UNAVAILABLE", "nobody")) for each in mixed[::20]]
    reasons = " | ".join(judged(mixed).reasons)
    assert "requests failed (5." in reasons
    assert "UNAVAILABLE" in reasons


def test_answers_that_come_after_the_end_are_no_throughput() -> None:
    piled_up = [outcome(each.due, 10.0 if each.due > 5 else 0.01) for each in answers()]
    assert any("right answers a second" in reason for reason in judged(piled_up).reasons)


def test_a_generator_that_sends_late_proves_nothing_whatever_the_answers_were() -> None:
    judgement = judged(answers(late=0.02, seconds=0.3))
    assert judgement.verdict is Verdict.INVALID
    assert judgement.verdict.exit_code == 9
    assert "the generator could not keep its schedule" in judgement.reasons[0]
    assert any("latency p99" in reason for reason in judgement.reasons[1:])


def test_a_test_that_ended_early_proves_nothing() -> None:
    judgement = judged(answers(50))
    assert judgement.verdict is Verdict.INVALID
    assert "50 of" in judgement.reasons[0]
    assert judged([]).verdict is Verdict.INVALID


def test_a_swap_needs_answers_of_two_versions() -> None:
    one = answers()
    two = [*one[:-1], outcome(one[-1].due, answer=Answer(version=2))]
    assert judged(one, swap_at_seconds=5).verdict is Verdict.FAIL
    assert "did not take the new version up" in judged(one, swap_at_seconds=5).reasons[0]
    assert judged(two, swap_at_seconds=5).verdict is Verdict.PASS


def test_a_scenario_has_its_own_limits_or_the_default_ones() -> None:
    own = Limits(latency_ms={}, error_rate=0, throughput=0)
    slo = Slo(lateness_p99_ms=1, default=LIMITS, scenarios={"swap": own})
    assert slo.of("swap") is own
    assert slo.of("steady") is LIMITS


def test_a_limit_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text("lateness_p99_ms: 1\ndefault: {latency_ms: {p42: 1}, error_rate: 0}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"default\.latency_ms\.p42.*default\.throughput: Field required"):
        load_slo(path)
