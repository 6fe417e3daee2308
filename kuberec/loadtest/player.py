"""Sends each request at its time, whatever became of the ones before.

Every thread takes the next request that nobody has taken, sleeps until it is due, and sends it; so nobody is woken, and
nothing is prepared, at the moment of sending. Where no thread sleeps any more, because all wait for answers, another is
started.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kuberec.loadtest.asking import Answer, Connection, read
from kuberec.loadtest.traffic import Request

FIRST_THREADS = 16
MOST_THREADS = 2000
"""Requests in flight at most; further ones are sent late, which the verdict tells of."""
OVERSLEEP_SECONDS = 1e-4
"""About how much longer than it was told a thread sleeps; one that wakes too early watches the clock."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    Attributes:
        due: Seconds after the start at which it was to be sent.
        late: Seconds that it was sent too late.
        seconds: From `due` to the answer, so that waiting in a generator or server that stands still counts too.
        signature: What was asked.
        answer: What came back.
    """

    due: float
    late: float
    seconds: float
    signature: str
    answer: Answer


class Player:
    """Plays requests in threads of its own.

    Args:
        requests: In the order of time.
        connection: Where to send them.
        begins: The start, on the clock of `time.perf_counter`.
        sleep: Puts a thread to sleep for so many seconds.

    Attributes:
        outcomes: Grows as answers come in; to be taken from the left by one other thread.
    """

    def __init__(
        self,
        requests: Iterator[Request],
        connection: Connection,
        begins: float,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.outcomes: deque[Outcome] = deque()
        self._requests, self._connection, self._begins, self._sleep = requests, connection, begins, sleep
        self._lock = threading.Lock()
        self._asleep = 0
        self._threads = 0
        self._stopped = False

    def warm_up(self, requests: Iterator[Request], until: float) -> None:
        """Connect, and let the server meet its first requests; of their answers nothing is told.

        Args:
            requests: Asked one after the other.
            until: When to end at the latest, on the clock of `time.perf_counter`.
        """
        for request in requests:
            if time.perf_counter() > until:
                return
            self._connection.ask(request.message)

    def start(self) -> None:
        """Begin; requests that are overdue already are sent at once."""
        for _ in range(FIRST_THREADS):
            self._start_thread()

    def stop(self) -> None:
        """Send nothing more; requests in flight are not waited for."""
        self._stopped = True

    def take(self) -> Iterator[Outcome]:
        """The outcomes that nobody has taken yet."""
        while self.outcomes:
            yield self.outcomes.popleft()

    def _start_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=self._run, name="player", daemon=True).start()

    def _run(self) -> None:
        while request := self._take_next():
            self._sleep_until(self._begins + request.due)
            self._leave_the_sleepers()
            if self._stopped:
                return
            self.outcomes.append(self._send(request))

    def _take_next(self) -> Request | None:
        with self._lock:
            self._asleep += 1
            return next(self._requests, None)

    def _leave_the_sleepers(self) -> None:
        with self._lock:
            self._asleep -= 1
            if not self._asleep and self._threads < MOST_THREADS:
                self._start_thread()

    def _sleep_until(self, due: float) -> None:
        left = due - time.perf_counter() - OVERSLEEP_SECONDS
        if left > 0:
            self._sleep(left)
        while time.perf_counter() < due:
            pass

    def _send(self, request: Request) -> Outcome:
        due, sent = self._begins + request.due, time.perf_counter()
        reply, answer = self._connection.ask(request.message)
        answered = time.perf_counter()
        return Outcome(
            request.due, sent - due, answered - due, request.signature, answer if answer.error else read(reply)
        )
