"""When a question is asked again, and how long all of its tries may take together."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import grpc

from kuberec.errors import ConfigError

TIMEOUT_SECONDS = 5.0
# Every question only reads, so all may be repeated; but what another code says would be said again.
TRANSIENT = grpc.StatusCode.UNAVAILABLE


@dataclass(frozen=True)
class Retry:
    """How often a question is asked that met no server, or one that is not ready.

    The wait doubles from try to try, and each is shortened by chance to between half and the whole of it, so that many
    clients do not come back at the same moment.

    Attributes:
        tries: How often at most, the first one included; 1 never asks again.
        first_wait: Seconds before the second try.
        longest_wait: Seconds that no wait exceeds.
        rng: Where chance comes from; a seeded one repeats its waits.
    """

    tries: int = 4
    first_wait: float = 0.05
    longest_wait: float = 1.0
    rng: Random = field(default_factory=Random)

    def __post_init__(self) -> None:
        if self.tries < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ConfigError(f"A retry needs at least one try and no negative wait, got {self}.")

    def waits(self) -> Iterator[float]:
        """Seconds before each further try."""
        wait = self.first_wait
        for _ in range(self.tries - 1):
            wait = min(wait, self.longest_wait)
            yield self.rng.uniform(wait / 2, wait)
            wait *= 2


class Budget:
    """The time and the tries that one question has left."""

    def __init__(self, retry: Retry, timeout: float) -> None:
        self._waits = retry.waits()
        self._end = time.monotonic() + timeout

    @property
    def left(self) -> float:
        """Seconds until the deadline, which bounds all tries and waits together."""
        return max(0.0, self._end - time.monotonic())

    def wait_after(self, code: grpc.StatusCode) -> float | None:
        """Seconds to wait before asking again; None where the error is final or nothing is left."""
        wait = next(self._waits, None) if code is TRANSIENT else None
        return None if wait is None or wait >= self.left else wait
