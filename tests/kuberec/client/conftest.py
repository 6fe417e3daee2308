import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from kuberec.client import AsyncClient, Client
from tests.kuberec.serving.conftest import saved, target

__all__ = ["saved", "target"]


class Awaiting:
    """An `AsyncClient` in an event loop of its own, asked as a `Client` is: one test holds for both."""

    def __init__(self, *targets: str, **settings: Any) -> None:
        async def connect() -> AsyncClient:
            return AsyncClient(*targets, **settings)

        self._runner = asyncio.Runner()
        try:
            self._client = self._runner.run(connect())
        except BaseException:
            self._runner.close()
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self._runner.run(getattr(self._client, name)(*arguments, **options))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


Connect = Callable[..., Any]


@pytest.fixture(params=[Client, Awaiting], ids=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of either kind, which are closed after the test."""
    made: list[Any] = []

    def make(*targets: str, **settings: Any) -> Any:
        client = request.param(*targets, **settings)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Connect, target: str) -> Any:
    return connect(target)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken, but where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"localhost:{taken.getsockname()[1]}"


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never says a word."""
    with closing(socket.socket()) as listener:
        listener.bind(("localhost", 0))
        listener.listen()
        yield f"localhost:{listener.getsockname()[1]}"
