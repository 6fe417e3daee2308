"""A load test's recording in numbers: JSON types only, so that they can be kept, judged and drawn anywhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kuberec.loadtest.latencies import Latencies
from kuberec.loadtest.recording import Recording
from kuberec.loadtest.scenario import Scenario
from kuberec.loadtest.traffic import Traffic

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
CURVE_POINTS = 400

Figures = dict[str, Any]


def figures(recording: Recording, scenario: Scenario, traffic: Traffic) -> Figures:
    """What a recording says, with times in milliseconds and rates a second.

    Throughput counts the right answers that came before the scenario's end: what piles up in a server that cannot
    follow is answered too late to count.

    Args:
        recording: Of all workers.
        scenario: What was played.
        traffic: The requests that it drew.
    """
    bins = int(np.ceil(scenario.seconds / recording.bin_seconds))
    errors = recording.errors.total()
    in_time = sum(count for place, count in recording.answered.items() if place < bins)
    return {
        "intended": len(traffic),
        "played": recording.count,
        "in_flight_at_end": recording.count - errors - in_time,
        "intended_rate": len(traffic) / scenario.seconds,
        "throughput": in_time / scenario.seconds,
        "errors": dict(recording.errors),
        "error_examples": recording.examples,
        "error_rate": errors / max(1, recording.count),
        "latency_ms": summary(recording.whole()),
        "by_signature": {name: summary(part) for name, part in sorted(recording.latencies.items())},
        "lateness_ms": summary(recording.lateness),
        "versions": {str(version): counts.total() for version, counts in sorted(recording.versions.items())},
        "over_time": _over_time(recording, traffic, bins),
        "curve": _curve(recording.whole()),
    }


def summary(latencies: Latencies) -> Figures:
    """Count, percentiles and the longest, in milliseconds."""
    percentiles = {name: latencies.percentile(percent) * 1e3 for name, percent in PERCENTILES.items()}
    return {"count": latencies.count, **percentiles, "max": latencies.longest * 1e3}


def _over_time(recording: Recording, traffic: Traffic, bins: int) -> Figures:
    width = recording.bin_seconds
    intended = np.bincount((traffic.arrivals.seconds // width).astype(int), minlength=bins)
    parts = [recording.over_time.get(place) for place in range(bins)]
    return {
        "seconds": [place * width for place in range(bins)],
        "bin_seconds": width,
        "intended_rate": (intended / width).tolist(),
        "answered_rate": _rates(recording.answered, bins, width),
        "failed_rate": _rates(recording.failed, bins, width),
        "latency_ms": {
            # None where no request was due, which is no latency of 0.
            name: [part.percentile(PERCENTILES[name]) * 1e3 if part else None for part in parts]
            for name in ("p50", "p95", "p99")
        },
        "versions": {str(v): _rates(counts, bins, width) for v, counts in sorted(recording.versions.items())},
    }


def _rates(counts: Any, bins: int, width: float) -> list[float]:
    return [counts[place] / width for place in range(bins)]


def _curve(latencies: Latencies) -> dict[str, Sequence[float]]:
    """The distribution in a few hundred points, its ends included."""
    points = list(latencies.curve())
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), CURVE_POINTS)).astype(int))
    return {"ms": [points[n][0] * 1e3 for n in chosen], "share": [points[n][1] for n in chosen]}
