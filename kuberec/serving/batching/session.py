"""Runs of one version of a model, batched.

TF Serving refuses a request with a scalar among its inputs, such as a `k`, and requests of different shapes that happen
to meet in a batch. So does strict mode. By default only requests with the same scalars, and without padding of the
same shape, share a batch; what has no rows in common runs alone.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from kuberec.errors import ConfigError
from kuberec.serving.batching.merging import Array, Arrays, count_rows, merge, split
from kuberec.serving.batching.parameters import BatchingParameters, read_parameters
from kuberec.serving.batching.scheduler import Queue, Request, Scheduler, Task
from kuberec.serving.metrics import Metrics, microseconds
from kuberec.serving.status import StatusError, invalid_argument

PARAMETERS_FILE = "batching_params.pbtxt"
# In TF Serving the sessions do not know the name of the pool either.
THREAD_POOL = ""

MAX_QUEUES = 1000
"""From so many on those in which nothing waits are forgotten: there is one for each value of a scalar."""

log = logging.getLogger(__name__)

Run = Callable[[dict[str, Array], Sequence[str], float | None], Sequence[Any]]


@dataclass(frozen=True)
class Batching:
    """How a server batches.

    Attributes:
        scheduler: Shared by all models.
        parameters: For all models.
        per_model: Only models that bring parameters of their own are batched, by those.
        strict: Refuse what TF Serving refuses.
    """

    scheduler: Scheduler
    parameters: BatchingParameters
    per_model: bool = False
    strict: bool = False

    def session(self, path: Path, run: Run, metrics: Metrics) -> "BatchingSession | None":
        """Batch the runs of a version; None where its runs are not batched.

        Args:
            path: The version folder.
            run: Runs the graph.
            metrics: Counts.

        Raises:
            StatusError: The version's own parameters are wrong.
        """
        parameters = _own_parameters(path) if self.per_model else self.parameters
        return BatchingSession(run, parameters, self.scheduler, metrics, strict=self.strict) if parameters else None


class BatchingSession:
    """Runs the requests of many threads together; safe for use by many threads.

    Attributes:
        queues: Where requests of one kind wait for each other, by kind.
    """

    def __init__(
        self, run: Run, parameters: BatchingParameters, scheduler: Scheduler, metrics: Metrics, *, strict: bool = False
    ) -> None:
        self._run = run
        self._parameters = parameters
        self._scheduler = scheduler
        self._metrics = metrics
        self._strict = strict
        self._warned: set[str] = set()
        self.queues: dict[tuple[Any, ...], Queue] = {}
        self._closed = False
        self._lock = threading.Lock()

    def run(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None = None) -> list[Array]:
        """Run the graph, perhaps together with the feeds of others.

        Args:
            feeds: Arrays by tensor name.
            fetches: Tensor names.
            timeout: Seconds after which the answer is of no use; the time in the queue counts.

        Raises:
            StatusError: The feeds cannot be batched, too many wait, or the run failed.
        """
        scalars = {} if self._strict else {name: array for name, array in feeds.items() if array.ndim == 0}
        inputs = {name: array for name, array in feeds.items() if name not in scalars} if scalars else feeds
        try:
            rows = count_rows(inputs)
        except StatusError as error:
            if self._strict:
                raise
            self._warn(f"{error.message}; a request runs alone")
            return list(self._run(feeds, fetches, timeout))
        for _ in inputs:
            self._metrics.input_batch_size.add(rows)
        deadline = None if timeout is None else time.monotonic() + timeout
        request = Request(inputs, rows, deadline)
        self._scheduler.run(self._queue(inputs, scalars, fetches), request)
        outputs = [task.outputs for task in request.tasks]
        if len(outputs) == 1:
            return [outputs[0][name] for name in fetches]
        return [np.concatenate([part[name] for part in outputs]) for name in fetches]

    def close(self) -> None:
        """Let no batch wait any longer to become full."""
        with self._lock:
            self._closed = True
            queues = list(self.queues.values())
        self._scheduler.close(queues)

    def _queue(self, inputs: Arrays, scalars: Arrays, fetches: Sequence[str]) -> Queue:
        names = tuple(sorted(set(fetches)))
        own_shape = not (self._strict or self._parameters.pad_variable_length_inputs)
        # By type as well: the graph refuses a wrong one, and must not refuse those that came at the same time.
        kinds = [(name, array.dtype, array.shape[1:] if own_shape else ()) for name, array in inputs.items()]
        values = [(name, array.dtype, _value(array)) for name, array in scalars.items()]
        key = (tuple(sorted(kinds)), tuple(sorted(values)), names)
        for name in scalars:
            self._warn(f"The input {name} is a scalar; requests with the same value run together")
        with self._lock:
            if key not in self.queues:
                if len(self.queues) >= MAX_QUEUES:
                    self.queues = {key: queue for key, queue in self.queues.items() if queue.batches}
                self.queues[key] = Queue(self._parameters, lambda tasks: self._process(tasks, scalars, names))
                self.queues[key].closed = self._closed
            return self.queues[key]

    def _warn(self, trouble: str) -> None:
        if trouble not in self._warned:
            self._warned.add(trouble)
            log.warning("%s. TF Serving would refuse it when it batches.", trouble)

    def _process(self, tasks: Sequence[Task], scalars: Arrays, fetches: Sequence[str]) -> None:
        now = time.monotonic()
        for task in tasks:
            self._metrics.queuing_latency.add(microseconds(now - task.request.enqueued), THREAD_POOL)
        late = [task for task in tasks if task.request.deadline is not None and task.request.deadline <= now]
        if late:
            words = "Run() timeout exceeded while waiting in batching queue"
            _refuse(late, StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, words))
        live = [task for task in tasks if task not in late] if late else tasks
        if not live:
            return
        try:
            self._run_together(live, scalars, fetches, _longest(live, now))
        except StatusError as error:
            _refuse(live, error)
        except Exception as error:
            # Whatever it is, nobody may be left waiting.
            _refuse(live, StatusError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"))

    def _run_together(
        self, tasks: Sequence[Task], scalars: Arrays, fetches: Sequence[str], timeout: float | None
    ) -> None:
        sizes = [task.rows for task in tasks]
        rows = sum(sizes)
        size = self._parameters.padded(rows) if rows else 0
        self._metrics.padding_size.add(size - rows, str(size))
        self._metrics.processed_batch_size.add(size)
        feeds = merge(
            [task.inputs for task in tasks],
            size - rows,
            pad_variable_length=self._parameters.pad_variable_length_inputs,
        )
        self._metrics.wrapped_run_count.add()
        values = self._run({**feeds, **scalars}, fetches, timeout)
        outputs = split(dict(zip(fetches, values, strict=True)), sizes, size - rows)
        for task, of_task in zip(tasks, outputs, strict=True):
            task.outputs = of_task


def _own_parameters(path: Path) -> BatchingParameters | None:
    file = path / PARAMETERS_FILE
    try:
        return read_parameters(file) if file.is_file() else None
    except ConfigError as error:
        raise invalid_argument(str(error)) from error


def _value(scalar: Array) -> Any:
    """Something that is equal for equal values; for NaN too."""
    return scalar.item() if scalar.dtype == object else scalar.tobytes()


def _longest(tasks: Sequence[Task], now: float) -> float | None:
    """The time that the most patient of the requests has left; None for any."""
    deadlines = [task.request.deadline for task in tasks]
    known = [deadline for deadline in deadlines if deadline is not None]
    return max(known) - now if len(known) == len(deadlines) else None


def _refuse(tasks: Sequence[Task], error: StatusError) -> None:
    for task in tasks:
        task.request.error = task.request.error or error
