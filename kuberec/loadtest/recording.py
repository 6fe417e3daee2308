"""What came of a load test: latencies and counts, whole and over time; workers' recordings add up to one."""

from collections import Counter
from typing import Any

from kuberec.loadtest.latencies import Latencies
from kuberec.loadtest.player import Outcome
from kuberec.loadtest.scenario import Scenario

MOST_BINS = 120
BIN_DIGITS = 2


class Recording:
    """Counts outcomes.

    Latency is counted where a request was due, answers where they came.

    Args:
        scenario: What is played: the time is divided into bins of a second or more, at most 120 of them.

    Attributes:
        bin_seconds: Width of a bin.
        latencies: By signature. A failed request took the scenario's timeout or longer: whoever fails fast is not fast.
        lateness: How late requests were sent.
        over_time: Latencies by the bin in which the request was due.
        answered: Right answers by the bin in which they came; bins beyond the scenario's end come after it.
        failed: Errors by the bin in which the request was due.
        errors: How many there were of each kind.
        examples: What the server said of the first error of each kind.
        versions: Right answers by version and bin.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._timeout = scenario.timeout_seconds
        self.bin_seconds = max(1.0, scenario.seconds / MOST_BINS)
        self.latencies: dict[str, Latencies] = {}
        self.lateness = Latencies()
        self.over_time: dict[int, Latencies] = {}
        self.answered: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.versions: dict[int, Counter[int]] = {}

    @property
    def count(self) -> int:
        """Outcomes so far."""
        return self.lateness.count

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        due = self._bin(outcome.due)
        error, version = outcome.answer.error, outcome.answer.version
        seconds = max(outcome.seconds, self._timeout) if error else outcome.seconds
        self.latencies.setdefault(outcome.signature, Latencies()).record(seconds)
        self.over_time.setdefault(due, Latencies(BIN_DIGITS)).record(seconds)
        self.lateness.record(outcome.late)
        if error:
            self.failed[due] += 1
            self.errors[error] += 1
            self.examples.setdefault(error, outcome.answer.detail)
            return
        came = self._bin(outcome.due + outcome.seconds)
        self.answered[came] += 1
        self.versions.setdefault(version, Counter())[came] += 1

    def whole(self) -> Latencies:
        """The latencies of all signatures."""
        whole = Latencies()
        for part in self.latencies.values():
            whole.add(part)
        return whole

    def pack(self) -> dict[str, Any]:
        """As a message to another process."""
        return {
            "latencies": {name: part.pack() for name, part in self.latencies.items()},
            "lateness": self.lateness.pack(),
            "over_time": [[place, part.pack()] for place, part in self.over_time.items()],
            "answered": list(self.answered.items()),
            "failed": list(self.failed.items()),
            "errors": dict(self.errors),
            "examples": self.examples,
            "versions": [[version, list(counts.items())] for version, counts in self.versions.items()],
        }

    def add_packed(self, message: dict[str, Any]) -> None:
        """Count what another process has counted; it must play the same scenario."""
        for name, packed in message["latencies"].items():
            self.latencies.setdefault(name, Latencies()).add_packed(packed)
        self.lateness.add_packed(message["lateness"])
        for place, packed in message["over_time"]:
            self.over_time.setdefault(place, Latencies(BIN_DIGITS)).add_packed(packed)
        self.answered.update(dict(message["answered"]))
        self.failed.update(dict(message["failed"]))
        self.errors.update(message["errors"])
        self.examples = message["examples"] | self.examples
        for version, counts in message["versions"]:
            self.versions.setdefault(version, Counter()).update(dict(counts))

    def _bin(self, seconds: float) -> int:
        return int(seconds // self.bin_seconds)
