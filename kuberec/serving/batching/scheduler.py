"""Which requests share a batch, when it runs, and in which thread.

As in TF Serving there is one scheduler for all models: it goes round the queues and takes a batch from each. A batch is
due when it is full or old enough; what comes while all threads are busy is gathered into the next one.

A batch runs in the thread of one of its requests: a lone request is answered without a change of threads. Each thread
waits at the inbox of its request for a batch to run, or for its own end.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from kuberec.serving.batching.merging import Arrays
from kuberec.serving.batching.parameters import BatchingParameters
from kuberec.serving.status import StatusError, invalid_argument, unavailable


@dataclass(eq=False)
class Request:
    """Inputs that wait for their outputs.

    Attributes:
        inputs: Arrays by name.
        rows: Rows of each array.
        deadline: When the answer is of no use any more, by the monotonic clock; None for never.
        enqueued: When the waiting began.
        tasks: Its parts: one, unless it was split.
        unfinished: Parts without outputs.
        error: Why there are none.
        leading: Whether its thread runs a batch.
        due: When the batch that it waits in is old enough; None where somebody else sees to it.
        inbox: Batches for its thread to run, then None.
    """

    inputs: Arrays
    rows: int
    deadline: float | None = None
    enqueued: float = field(default_factory=time.monotonic)
    tasks: list["Task"] = field(default_factory=list)
    unfinished: int = 0
    error: StatusError | None = None
    leading: bool = False
    due: float | None = None
    inbox: "SimpleQueue[Batch | None]" = field(default_factory=SimpleQueue)


@dataclass(eq=False)
class Task:
    """Rows of a request that run together."""

    request: Request
    inputs: Arrays
    rows: int
    outputs: Arrays = field(default_factory=dict)


@dataclass(eq=False)
class Batch:
    """Tasks that run together; `due` is when it is old enough to run although it is not full."""

    queue: "Queue"
    due: float
    tasks: list[Task] = field(default_factory=list)
    rows: int = 0


class Queue:
    """Batches of one kind of requests. Whoever calls it holds the scheduler's lock."""

    def __init__(self, parameters: BatchingParameters, run: Callable[[Sequence[Task]], None]) -> None:
        """Nothing waits.

        Args:
            parameters: Sizes and times.
            run: Fills in the tasks' outputs, or their requests' errors; raises nothing.
        """
        self.run = run
        self.closed = False
        self.batches: deque[Batch] = deque()
        self._parameters = parameters
        self._limit = parameters.largest_run

    def add(self, request: Request) -> None:
        """Put a request into the last batch or into new ones.

        Raises:
            StatusError: It is too large, or too many batches wait.
        """
        self._check_room(request.rows)
        for start, rows in self._parts(request.rows):
            inputs = request.inputs
            if rows < request.rows:
                inputs = {name: array[start : start + rows] for name, array in inputs.items()}
            self._place(Task(request, inputs, rows))
        request.unfinished = len(request.tasks)

    def take(self, now: float) -> tuple[Request, Batch] | None:
        """The first batch, if it is due, and the request whose thread is free to run it."""
        batch = self.batches[0]
        if len(self.batches) == 1 and not self.closed and batch.rows < self._limit and now < batch.due:
            return None
        leader = next((task.request for task in batch.tasks if not task.request.leading), None)
        if leader is None:
            return None  # its threads run earlier parts of their requests, and come back
        self.batches.popleft()
        return leader, batch

    def _check_room(self, rows: int) -> None:
        parameters = self._parameters
        if rows > parameters.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {parameters.max_batch_size}"
            )
        waiting, allowed = max(1, len(self.batches)), max(1, parameters.max_enqueued_batches)
        last = self.batches[-1].rows if self.batches else 0
        full = "The batch scheduling queue to which this task was submitted is full; "
        if parameters.enable_large_batch_splitting:
            room = (allowed - waiting) * self._limit + self._limit - last
            if rows > room:
                raise unavailable(
                    f"{full}task size is {rows} but scheduling capacity is only {room} "
                    f"(num_enqueued_batches={waiting}, max_enqueued_batches={allowed}, open_batch_size={last}, "
                    f"max_execution_batch_size={self._limit})"
                )
        elif last + rows > self._limit and waiting >= allowed:
            raise unavailable(f"{full}currently {waiting} batches enqueued and max_enqueued_batches is {allowed}")

    def _parts(self, rows: int) -> list[tuple[int, int]]:
        """Start and size of each part: what the last batch has room for, then whole batches."""
        room = self._limit - (self.batches[-1].rows if self.batches else 0)
        if rows <= room or not self._parameters.enable_large_batch_splitting:
            return [(0, rows)]
        starts = [*([0] if room else []), *range(room, rows, self._limit)]
        return [(start, end - start) for start, end in zip(starts, [*starts[1:], rows], strict=True)]

    def _place(self, task: Task) -> None:
        if not self.batches or self.batches[-1].rows + task.rows > self._limit:
            self.batches.append(Batch(self, time.monotonic() + self._parameters.batch_timeout_micros / 1e6))
        batch = self.batches[-1]
        batch.tasks.append(task)
        batch.rows += task.rows
        task.request.tasks.append(task)
        if self._parameters.batch_timeout_micros:
            task.request.due = batch.due


class Scheduler:
    """Runs the batches of all queues, round robin, so many at a time."""

    def __init__(self, threads: int) -> None:
        """Nothing waits.

        Args:
            threads: Batches that run at a time.
        """
        self._free = threads
        self._busy: deque[Queue] = deque()  # queues in which something waits
        self._closed = False
        self._lock = threading.Lock()

    def run(self, queue: Queue, request: Request) -> None:
        """Queue a request and wait until its tasks have outputs.

        Raises:
            StatusError: The queue refuses the request, or the batch failed.
        """
        with self._lock:
            queue.closed |= self._closed
            idle = not queue.batches
            queue.add(request)
            if idle:
                self._busy.append(queue)
            self._dispatch()
        while (batch := self._message(request)) is not None:
            batch.queue.run(batch.tasks)
            with self._lock:
                self._finish(request, batch)
        if request.error:
            raise StatusError(request.error.code, request.error.message)

    def close(self, queues: Sequence[Queue] | None = None) -> None:
        """Let batches of these queues, or of all, wait no longer to become full."""
        with self._lock:
            self._closed |= queues is None
            for queue in self._busy if queues is None else queues:
                queue.closed = True
            self._dispatch()

    def _message(self, request: Request) -> Batch | None:
        while request.due is not None:
            seconds = request.due - time.monotonic()
            if seconds > 0:
                with suppress(Empty):
                    return request.inbox.get(timeout=seconds)
            else:
                request.due = None
                with self._lock:
                    self._dispatch()
        return request.inbox.get()

    def _finish(self, leader: Request, batch: Batch) -> None:
        leader.leading = False
        self._free += 1
        for task in batch.tasks:
            task.request.unfinished -= 1
            if not task.request.unfinished:
                task.request.inbox.put(None)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand out batches while threads may run them; each queue in its turn."""
        now = time.monotonic()
        passed = 0
        while self._free and passed < len(self._busy):
            queue = self._busy.popleft()
            taken = queue.take(now)
            if taken:
                leader, batch = taken
                self._free -= 1
                leader.leading = True
                leader.inbox.put(batch)
            passed = 0 if taken else passed + 1
            if queue.batches:
                self._busy.append(queue)
