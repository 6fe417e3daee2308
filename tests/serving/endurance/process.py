"""A model server in a process of its own: it can crash, hang and grow without the test."""

import re
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

PROGRAM = str(Path(sys.executable).with_name("kuberec"))
STOP_SECONDS = 60


class ServerProcess:
    """A running `kuberec serve`.

    Attributes:
        target: `host:port` for gRPC.
        rest: `host:port` for REST.
    """

    def __init__(self, config: Path, log: Path, *flags: str) -> None:
        """Start it with a models.config, read once unless the flags say otherwise; what it says goes to a file.

        Waits until it listens, which is when the models are loaded.
        """
        flags = (f"--model_config_file={config}", "--file_system_poll_wait_seconds=0.05", *flags)
        rest = ["--rest_api_port", str(rest_port := free_port())]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [PROGRAM, "serve", "--port=0", *flags, *rest], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout
        line = self._process.stdout.readline()
        found = re.search(r"on localhost:(\d+)", line)
        assert found, line + self.said()
        self.target, self.rest = f"localhost:{found[1]}", f"localhost:{rest_port}"

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """All that it logged."""
        return self._log.read_text(encoding="utf-8")

    def resident_mib(self) -> float:
        """Memory that it holds."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / 2**20

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, which must succeed."""
        self._process.terminate()
        self._process.communicate(timeout=STOP_SECONDS)
        if kind is None:
            assert self._process.returncode == 0, self.said()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return int(taken.getsockname()[1])
