"""The gRPC server: a thread pool around the services, and a thread that polls the repository."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from kuberec.errors import ServingError
from kuberec.serving.repository import KEPT_VERSIONS, POLL_SECONDS, ModelRepository
from kuberec.serving.services import Services

THREADS = 16
DRAIN_SECONDS = 10.0
SIGNAL_SECONDS = 0.1
HOST = "127.0.0.1"


class ModelServer:
    """Serves a model repository; a context manager that starts on entry and drains on exit."""

    def __init__(
        self,
        repository: Path | str,
        *,
        host: str = HOST,
        port: int = 0,
        kept_versions: int = KEPT_VERSIONS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Take the port, load what lies in the repository; no request is answered before `start`.

        Args:
            repository: The folder `<base>/<model>/<integer version>/`.
            host: Address to listen on; `0.0.0.0` for every one.
            port: 0 takes any free one.
            kept_versions: How many of a model's newest versions stay addressable.
            poll_seconds: Time between two looks at the folder.

        Raises:
            ServingError: The folder does not exist, or the port is taken.
        """
        self.repository = ModelRepository(repository, kept_versions=kept_versions)
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="poll-repository", daemon=True)
        # Requests and replies of any size, as TF Serving takes them; a second server on the same port is an error.
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.server(ThreadPoolExecutor(THREADS, "serve"), options=options)
        self._server.add_generic_rpc_handlers(Services(self.repository).handlers())
        self.port = self._bind(host, port)
        self.address = f"{'localhost' if host in (HOST, '0.0.0.0', '::') else host}:{self.port}"

    def start(self) -> None:
        """Load every model once, then answer requests and watch the repository."""
        self.repository.poll()
        self._server.start()
        self._poller.start()

    def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Refuse new requests, give running ones `grace` seconds, then free the models."""
        self._stopping.set()
        self._server.stop(grace).wait()
        if self._poller.is_alive():
            self._poller.join()
        self.repository.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop."""
        self.stop()

    def _bind(self, host: str, port: int) -> int:
        try:
            return int(self._server.add_insecure_port(f"{host}:{port}"))
        except RuntimeError:
            raise ServingError(
                f"Cannot listen on {host}:{port}: the port is taken or not allowed. "
                "Stop what uses it, or choose another with --port (0 takes a free one)."
            ) from None

    def _poll(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            self.repository.poll()


def stop_signals() -> Callable[[], None]:
    """From now on SIGTERM and SIGINT no longer end the process; returns a function that waits for one of them.

    For the main thread only.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: received.append(number))

    def wait() -> None:
        # A wait without an end would sleep on when the system hands the signal to another thread.
        while not received:
            time.sleep(SIGNAL_SECONDS)

    return wait
