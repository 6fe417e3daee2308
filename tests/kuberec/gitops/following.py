"""`kuberec sync-models` in a process of its own: it can be stopped and killed at any moment."""

import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kuberec.cli.conftest import PROGRAM

STOP_SECONDS = 60


class Following:
    """The running command."""

    def __init__(self, log: Path, *words: object) -> None:
        """Start it; what it says goes to a file."""
        self._log = log
        self._code = 0
        with log.open("a") as errors:
            self._process = subprocess.Popen([PROGRAM, "sync-models", *map(str, words)], stderr=errors)

    def said(self, text: str) -> int:
        """How often it logged something."""
        return self._log.read_text(encoding="utf-8").count(text)

    def wait(self) -> None:
        """Let it end by itself."""
        self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it in the middle of what it does."""
        self._code = -signal.SIGKILL
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        """The command itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it by SIGTERM, which must succeed, unless it was killed."""
        self._process.terminate()
        code = self._process.wait(STOP_SECONDS)
        if kind is None:
            assert code == self._code, self._log.read_text(encoding="utf-8")
