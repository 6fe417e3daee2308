"""A histogram that is as fine for microseconds as for minutes (HdrHistogram, Gil Tene)."""

from collections.abc import Iterator
from typing import Self

from hdrh.histogram import HdrHistogram

PER_SECOND = 1_000_000
LONGEST_SECONDS = 600
DIGITS = 3


class Latencies:
    """Counts times between a microsecond and ten minutes; what is shorter or longer counts as these.

    Args:
        digits: Significant digits that are kept: with 3 a percentile is off by a thousandth at most, and a histogram
            takes 170 kB; with 2 it is a hundredth and 25 kB.
    """

    def __init__(self, digits: int = DIGITS) -> None:
        self._histogram = HdrHistogram(1, LONGEST_SECONDS * PER_SECOND, digits)

    def record(self, seconds: float) -> None:
        """Count one."""
        self._histogram.record_value(min(max(1, round(seconds * PER_SECOND)), LONGEST_SECONDS * PER_SECOND))

    def add(self, other: Self) -> None:
        """Count what the other one has counted."""
        self._histogram.add(other._histogram)

    @property
    def count(self) -> int:
        """How many were counted."""
        return int(self._histogram.get_total_count())

    @property
    def longest(self) -> float:
        """The longest, in seconds; 0 where there is none."""
        return float(self._histogram.get_max_value()) / PER_SECOND if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent do not exceed; 0 where none was counted."""
        return float(self._histogram.get_value_at_percentile(percent)) / PER_SECOND

    def curve(self) -> Iterator[tuple[float, float]]:
        """Seconds, and the share that does not exceed them; every distinct value, in ascending order."""
        for step in self._histogram.get_recorded_iterator():
            yield step.value_iterated_to / PER_SECOND, step.total_count_to_this_value / self.count

    def pack(self) -> bytes:
        """As text, compressed."""
        return bytes(self._histogram.encode())

    def add_packed(self, packed: bytes) -> None:
        """Count what another one had counted when it was packed."""
        self._histogram.decode_and_add(packed)
