"""The limits of a load test, and its verdict: pass, fail, or invalid where the measurement itself is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from kuberec.dataset import Strict
from kuberec.loadtest.figures import Figures
from kuberec.loadtest.reading import read_settings
from kuberec.loadtest.scenario import Positive, Scenario, Share


class Limits(Strict):
    """What a scenario must keep to."""

    latency_ms: dict[Literal["p50", "p90", "p95", "p99", "p99.9"], Positive]
    """Greatest percentiles of the time from when a request was due to its answer."""
    error_rate: Share
    """Greatest share of failed requests."""
    throughput: Share
    """Least right answers a second, as a share of the requests that were due a second."""


class Slo(Strict):
    """Limits by scenario."""

    lateness_p99_ms: Positive
    """A generator that sends later than this, at the 99th percentile, has not played the scenario."""
    default: Limits
    """Of scenarios without limits of their own."""
    scenarios: dict[str, Limits] = Field(default_factory=dict)
    """By name."""

    def of(self, scenario: str) -> Limits:
        """The limits of a scenario."""
        return self.scenarios.get(scenario, self.default)


class Verdict(StrEnum):
    """How a load test ends."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        """0, 1, and 9: the codes between are those of `kuberec/errors.py`."""
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INVALID: 9}[self]


@dataclass(frozen=True)
class Check:
    """One demand.

    Attributes:
        name: What is looked at.
        limit: What is demanded, in words.
        measured: What came, in words.
        passed: Whether it holds.
        reason: A sentence.
        of_generator: Whether it is a demand on the measurement, not on the server.
    """

    name: str
    limit: str
    measured: str
    passed: bool
    reason: str
    of_generator: bool = False


@dataclass(frozen=True)
class Judgement:
    """The verdict with all checks."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """Invalid where a demand on the measurement fails: then the others tell nothing."""
        failed = [check for check in self.checks if not check.passed]
        if any(check.of_generator for check in failed):
            return Verdict.INVALID
        return Verdict.FAIL if failed else Verdict.PASS

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass; those for `invalid` first."""
        failed = [check for check in self.checks if not check.passed]
        return [check.reason for check in sorted(failed, key=lambda check: not check.of_generator)]


def load_slo(path: Path) -> Slo:
    """Read the limits. Raises as `read_settings`."""
    return read_settings(path, Slo)


def judge(figures: Figures, scenario: Scenario, limits: Limits, lateness_p99_ms: float) -> Judgement:
    """Hold figures against limits."""
    checks = [
        _played(figures),
        _on_time(figures, lateness_p99_ms),
        *_latencies(figures, limits),
        _errors(figures, limits),
        _throughput(figures, limits),
    ]
    return Judgement(tuple(checks + ([_swapped(figures)] if scenario.swap_at_seconds else [])))


def _played(figures: Figures) -> Check:
    played, intended = figures["played"], figures["intended"]
    reason = f"{played:,} of {intended:,} requests were played to their end"
    if played < intended:
        reason += ": the test was stopped early, or a worker was lost"
    return Check("requests played", f"{intended:,}", f"{played:,}", played == intended, reason, of_generator=True)


def _on_time(figures: Figures, limit: float) -> Check:
    late = figures["lateness_ms"]["p99"]
    passed = late <= limit
    reason = f"99 % of the requests were sent at most {late:.2f} ms after they were due, {limit:g} ms are allowed"
    if not passed:
        reason += ": the generator could not keep its schedule; give it more workers or cores, or lower the rate"
    return Check(
        "lateness p99 of the generator", f"≤ {limit:g} ms", f"{late:.2f} ms", passed, reason, of_generator=True
    )


def _latencies(figures: Figures, limits: Limits) -> Iterator[Check]:
    for name, limit in limits.latency_ms.items():
        value = figures["latency_ms"][name]
        passed = value <= limit
        reason = f"latency {name} is {value:.2f} ms, {'within' if passed else 'above'} the limit of {limit:g} ms"
        yield Check(f"latency {name}", f"≤ {limit:g} ms", f"{value:.2f} ms", passed, reason)


def _errors(figures: Figures, limits: Limits) -> Check:
    rate, count = figures["error_rate"], sum(figures["errors"].values())
    passed = rate <= limits.error_rate
    reason = f"{count:,} of {figures['played']:,} requests failed ({rate:.3%}), {limits.error_rate:.3%} are allowed"
    if count:
        reason += ": " + ", ".join(f"{number:,} {kind}" for kind, number in sorted(figures["errors"].items()))
    return Check("error rate", f"≤ {limits.error_rate:.3%}", f"{rate:.3%}", passed, reason)


def _throughput(figures: Figures, limits: Limits) -> Check:
    done, due = figures["throughput"], figures["intended_rate"]
    least = limits.throughput * due
    passed = done >= least
    reason = f"{done:.1f} right answers a second for {due:.1f} requests a second, at least {least:.1f} are demanded"
    return Check("throughput", f"≥ {least:.1f} /s", f"{done:.1f} /s", passed, reason)


def _swapped(figures: Figures) -> Check:
    versions = list(figures["versions"])
    passed = len(versions) > 1
    reason = f"answers came from {'versions ' + ', '.join(versions) if versions else 'no version'}"
    if not passed:
        reason += ": the server did not take the new version up while requests ran"
    return Check("version swap", "two versions answer", ", ".join(versions) or "none", passed, reason)
