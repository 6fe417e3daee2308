"""What the server counts and times, and the page that Prometheus reads: TF Serving's names, labels and buckets.

prometheus_client cannot write it: the counters' names would end in `_total`.
"""

import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence

PREFIX = "/tensorflow/serving/"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exponential(first: float, factor: float, count: int) -> list[float]:
    """Upper limits of buckets: `count` of them, each `factor` times the one before."""
    limits = [first]
    while len(limits) < count:
        limits.append(limits[-1] * factor)
    return limits


LATENCY_LIMITS = exponential(10, 1.8, 33)  # us, up to 20 minutes
QUEUING_LIMITS = exponential(100, 1.2, 52)  # us, up to a second
EXAMPLES_LIMITS = exponential(1, 2, 15)
BATCH_SIZE_LIMITS = exponential(1, 2, 14)


class Counter:
    """A number by labels that only grows, safe for use by many threads."""

    kind = "counter"

    def __init__(self, name: str, *labels: str) -> None:
        """Nothing is counted yet.

        Args:
            name: The name within TF Serving.
            labels: Names of the labels.
        """
        self.name = PREFIX + name
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, count: int = 1) -> None:
        """Count, for these values of the labels."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + count

    def lines(self) -> Iterator[str]:
        """Lines of the page, one for each combination of labels."""
        with self._lock:
            counts = sorted(self._counts.items())
        for values, count in counts:
            yield f"{_shown(self.name)}{{{_pairs(self._labels, values)}}} {count}"

    def first(self) -> int:
        """The count of the first combination of labels, 0 before there is one."""
        with self._lock:
            return self._counts[min(self._counts)] if self._counts else 0


class Histogram:
    """How values are distributed, by labels; safe for use by many threads."""

    kind = "histogram"

    def __init__(self, name: str, limits: Sequence[float], *labels: str) -> None:
        """No value is there yet.

        Args:
            name: The name within TF Serving.
            limits: Upper limit of each bucket but the last, ascending. As in TF Serving, a value that equals a limit
                is counted above it.
            labels: Names of the labels.
        """
        self.name = PREFIX + name
        self._limits = limits
        self._labels = labels
        self._cells: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}  # counts of buckets, [sum]
        self._lock = threading.Lock()

    def add(self, value: int, *values: str) -> None:
        """Add a value, for these values of the labels."""
        bucket = bisect_right(self._limits, value)
        with self._lock:
            cell = self._cells.get(values)
            if cell is None:
                cell = self._cells[values] = ([0] * (len(self._limits) + 1), [0])
            cell[0][bucket] += 1
            cell[1][0] += value

    def lines(self) -> Iterator[str]:
        """Lines of the page: the buckets, sum and count of each combination of labels."""
        with self._lock:
            cells = [(values, list(counts), total[0]) for values, (counts, total) in sorted(self._cells.items())]
        name = _shown(self.name)
        for values, counts, total in cells:
            pairs = _pairs(self._labels, values)
            before = f"{pairs}," if pairs else ""
            below = 0
            for limit, count in zip([*map("{:g}".format, self._limits), "+Inf"], counts, strict=True):
                below += count
                yield f'{name}_bucket{{{before}le="{limit}"}} {below}'
            yield f"{name}_sum{{{pairs}}} {total}"
            yield f"{name}_count{{{pairs}}} {below}"


class Metrics:
    """Everything that one server counts and times; latencies in microseconds."""

    def __init__(self) -> None:
        self.request_count = Counter("request_count", "model_name", "status")
        self.request_latency = Histogram("request_latency", LATENCY_LIMITS, "model_name", "API", "entrypoint")
        self.runtime_latency = Histogram("runtime_latency", LATENCY_LIMITS, "model_name", "API", "runtime")
        self.example_counts = Histogram("request_example_counts", EXAMPLES_LIMITS, "model")
        self.example_count_total = Counter("request_example_count_total", "model")
        self.warmup_latency = Histogram("model_warmup_latency", LATENCY_LIMITS, "model_path", "status")
        self.warmup_records_read = Counter("model_warmup_records_read", "model_path", "status")
        self.queuing_latency = Histogram("batching_session/queuing_latency", QUEUING_LIMITS, "thread_pool_name")
        self.padding_size = Histogram("batching_session/padding_size", BATCH_SIZE_LIMITS, "execution_batch_size")
        self.input_batch_size = Histogram("batching_session/input_batch_size", BATCH_SIZE_LIMITS)
        self.processed_batch_size = Histogram("batching_session/processed_batch_size", BATCH_SIZE_LIMITS)
        self.wrapped_run_count = Counter("batching_session/wrapped_run_count")

    def record_request(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """Count a request; the latency of a refused one is not kept, as in TF Serving."""
        if status == "OK":
            self.request_latency.add(microseconds(seconds), model, api, entrypoint)
        self.request_count.add(model, status)

    def record_examples(self, model: str, count: int) -> None:
        """Count the tf.Examples of a request."""
        self.example_counts.add(count, model)
        self.example_count_total.add(model, count=count)

    def page(self) -> str:
        """All metrics in Prometheus's text format, by name and without help lines, as TF Serving writes them."""
        lines: list[str] = []
        for metric in self._by_name():
            lines += [f"# TYPE {_shown(metric.name)} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n"

    def counters(self, names: Sequence[str]) -> dict[str, int]:
        """What TF Serving takes as the value of a metric, by its name with slashes.

        That is the first combination of labels of a counter, and 0 for everything else.
        """
        counters = {metric.name: metric for metric in self._by_name() if isinstance(metric, Counter)}
        return {name: counters[name].first() if name in counters else 0 for name in names}

    def _by_name(self) -> list[Counter | Histogram]:
        return sorted(vars(self).values(), key=lambda metric: metric.name)


def microseconds(seconds: float) -> int:
    """Whole microseconds, as TF Serving counts time."""
    return int(seconds * 1e6)


def _shown(name: str) -> str:
    return re.sub(r"\W", ":", name, flags=re.ASCII)


def _pairs(labels: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in zip(labels, values, strict=True))
