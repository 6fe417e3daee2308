"""Several servers, some of which are gone, late, or frozen."""

import select
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kuberec.client import Retry, ServingError
from kuberec.errors import ConfigError
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from tests.kuberec.client.conftest import Connect

PATIENT = Retry(tries=10_000, longest_wait=0.1)
QUESTIONS = 12


class Replicas:
    """Two servers of the same model that tell themselves apart by its version, 1 and 2."""

    def __init__(self, saved: Path, folder: Path) -> None:
        self.repositories = [folder / "first", folder / "second"]
        for version, repository in enumerate(self.repositories, start=1):
            shutil.copytree(saved / "recommender", repository / "recommender" / str(version))
        self.servers = [ModelServer(repository) for repository in self.repositories]
        self.targets = [server.address for server in self.servers]
        for server in self.servers:
            server.start()

    def stop(self, position: int) -> None:
        self.servers[position].stop(grace=0)

    def restart(self, position: int) -> None:
        port = self.servers[position].port
        self.servers[position] = ModelServer(self.repositories[position], ServerOptions(port=port))
        self.servers[position].start()


@pytest.fixture
def replicas(saved: Path, tmp_path: Path) -> Iterator[Replicas]:
    replicas = Replicas(saved, tmp_path)
    yield replicas
    for position in (0, 1):
        replicas.stop(position)


def versions(client: Any, questions: int = QUESTIONS) -> list[int]:
    return [client.recommend("recommender", "ann", 1).version for _ in range(questions)]


def until_versions(client: Any, expected: set[int]) -> None:
    """Ask until exactly these versions answer; a connection to the second is made after the first has answered."""
    for _ in range(1000):
        if set(versions(client)) == expected:
            return
    raise AssertionError(f"{expected} never answered together")


def test_replicas_answer_in_turn(connect: Connect, replicas: Replicas) -> None:
    client = connect(*replicas.targets)
    until_versions(client, {1, 2})
    assert sorted(versions(client)) == [1] * (QUESTIONS // 2) + [2] * (QUESTIONS // 2)


def test_while_a_replica_is_gone_the_other_answers(connect: Connect, replicas: Replicas) -> None:
    client = connect(*replicas.targets, timeout=30.0)
    until_versions(client, {1, 2})
    replicas.stop(0)
    assert versions(client) == [2] * QUESTIONS
    replicas.restart(0)
    until_versions(client, {1, 2})
    replicas.stop(1)
    assert versions(client) == [1] * QUESTIONS


def test_a_replica_that_was_never_there_is_passed_over(connect: Connect, target: str, nobody: str) -> None:
    assert versions(connect(nobody, target, timeout=30.0)) == [2] * QUESTIONS


def test_no_replica_at_all_is_told_with_every_address(connect: Connect, nobody: str) -> None:
    with pytest.raises(ServingError, match=f"No model server answers at {nobody}, {nobody}"):
        connect(nobody, nobody).status("recommender")


def test_a_single_name_may_lead_to_all(connect: Connect, target: str) -> None:
    assert versions(connect(f"dns:///{target}"), 1) == [2]


@pytest.mark.parametrize("wrong", ["localhost", ":8500", "localhost:http", "localhost:-1", ""])
def test_an_address_without_a_port_is_told(connect: Connect, wrong: str) -> None:
    with pytest.raises(ConfigError, match=f"given as host:port, got '{wrong}'"):
        connect("localhost:8500", wrong)


def test_a_name_that_nobody_knows_is_told(connect: Connect) -> None:
    with pytest.raises(ServingError, match=r"The replica 'nowhere\.invalid:8500' has no IPv4 address"):
        connect("localhost:8500", "nowhere.invalid:8500")


class Waits(Random):
    """Writes down the waits, and calls back before each."""

    def __init__(self, before_wait: Any = lambda: None) -> None:
        super().__init__(0)
        self.waits: list[float] = []
        self._before_wait = before_wait

    def uniform(self, a: float, b: float) -> float:
        self._before_wait()
        self.waits.append(super().uniform(a, b))
        return self.waits[-1]


def test_a_server_that_starts_late_is_waited_for(connect: Connect, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved / "recommender", tmp_path / "recommender" / "1")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ExitStack() as servers:

        def start_once() -> None:
            # Drawn after the first try has failed: the answer can come from a further one only.
            if not rng.waits:
                servers.enter_context(ModelServer(tmp_path, ServerOptions(port=port)))

        rng = Waits(start_once)
        retry = Retry(tries=10_000, longest_wait=0.1, rng=rng)
        client = connect(f"localhost:{port}", retry=retry, timeout=60.0)
        assert versions(client, 1) == [1]
        assert rng.waits


def test_asking_once_does_not_wait(connect: Connect, nobody: str) -> None:
    rng = Waits()
    with pytest.raises(ServingError, match="No model server answers"):
        connect(nobody, retry=Retry(tries=1, rng=rng)).status("recommender")
    assert rng.waits == []


def test_the_deadline_bounds_all_tries_together(connect: Connect, nobody: str) -> None:
    rng = Waits()
    retry = Retry(tries=10_000, first_wait=0.02, longest_wait=0.1, rng=rng)
    with pytest.raises(ServingError, match="No model server answers"):
        connect(nobody, retry=retry, timeout=0.5).status("recommender")
    *waited, not_begun = rng.waits
    assert waited
    assert sum(waited) < 0.5
    assert not_begun <= 0.1


def test_a_refusal_is_not_asked_again(connect: Connect, target: str) -> None:
    rng = Waits()
    with pytest.raises(ServingError, match="serves no model"):
        connect(target, retry=Retry(rng=rng)).recommend("nope", "ann")
    assert rng.waits == []


class Relay:
    """Hands bytes between clients and a server until it is frozen: then connections stay, but nothing moves."""

    def __init__(self, target: str) -> None:
        self._server = int(target.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"localhost:{self._listener.getsockname()[1]}"
        self.frozen = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._hand_on)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _hand_on(self) -> None:
        ends: dict[socket.socket, socket.socket] = {}
        while not self._closed.is_set():
            watched = [] if self.frozen.is_set() else [self._listener, *ends]
            for ready in select.select(watched, [], [], 0.02)[0]:
                if ready is self._listener:
                    near, far = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._server))
                    ends |= {near: far, far: near}
                elif data := ready.recv(65536):
                    ends[ready].sendall(data)
                else:
                    for end in (ready, ends[ready]):
                        end.close()
                        del ends[end]
                    break  # the other end may be among what was ready
        for end in (self._listener, *ends):
            end.close()


@pytest.mark.slow
def test_a_frozen_replica_is_given_up_and_the_other_answers(connect: Connect, replicas: Replicas) -> None:
    with closing(Relay(replicas.targets[0])) as relay:
        client = connect(relay.target, replicas.targets[1], retry=PATIENT, timeout=60.0, keep_alive=0.5)
        until_versions(client, {1, 2})
        relay.frozen.set()
        assert versions(client) == [2] * QUESTIONS
