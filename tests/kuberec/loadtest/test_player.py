"""Requests over a real connection to a server whose answers the test holds back."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2

from kuberec.client.questions import PREDICT
from kuberec.loadtest.asking import UNREADABLE, Connection, read
from kuberec.loadtest.player import FIRST_THREADS, Outcome, Player
from kuberec.loadtest.traffic import Request

PATIENCE_SECONDS = 30.0
REQUESTS = 3 * FIRST_THREADS


def reply(version: int = 7) -> bytes:
    message = predict_pb2.PredictResponse()
    message.outputs["scores"].float_val.append(1.0)
    message.model_spec.version.value = version
    return bytes(message.SerializeToString())


class Server(grpc.GenericRpcHandler):
    """Answers once it is let; counts who asks."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[bytes] = []

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.answer) if details.method == PREDICT else None

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.asked.append(request)
        if request == b"refuse":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        self.may_answer.wait(PATIENCE_SECONDS)
        return b"" if request == b"empty" else reply()


@contextmanager
def serving() -> Iterator[tuple[Server, str]]:
    handler = Server()
    server = grpc.server(ThreadPoolExecutor(2 * REQUESTS))
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield handler, f"localhost:{port}"
    finally:
        handler.may_answer.set()
        server.stop(None).wait()


def requests(*messages: bytes, every: float = 0.0) -> Iterator[Request]:
    return iter([Request(n * every, "recommend", message) for n, message in enumerate(messages)])


def wait_for(player: Player, count: int) -> list[Outcome]:
    taken: list[Outcome] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(taken) < count and time.monotonic() < deadline:
        taken += player.take()
        time.sleep(0.01)
    assert len(taken) >= count
    return taken


def test_requests_are_sent_although_none_is_answered() -> None:
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        player = Player(requests(*[b"ask"] * REQUESTS), connection, time.perf_counter())
        player.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(server.asked) < REQUESTS and time.monotonic() < deadline:
            time.sleep(0.01)
        # An open loop: all are in flight together, many more than the threads that it began with.
        assert len(server.asked) == REQUESTS
        assert not player.outcomes
        server.may_answer.set()
        outcomes = wait_for(player, REQUESTS)
    assert {each.answer.version for each in outcomes} == {7}


def test_waiting_counts_from_when_a_request_was_due() -> None:
    overdue = 5.0
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        server.may_answer.set()
        player = Player(requests(b"ask", b"ask"), connection, time.perf_counter() - overdue)
        player.start()
        for each in wait_for(player, 2):
            assert each.late >= overdue
            assert each.seconds >= each.late


def test_nothing_is_sent_before_it_is_due() -> None:
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        server.may_answer.set()
        player = Player(requests(*[b"ask"] * 5, every=0.05), connection, time.perf_counter() + 0.1)
        player.start()
        assert all(each.late >= 0 for each in wait_for(player, 5))


def test_errors_are_told_by_their_code() -> None:
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        server.may_answer.set()
        player = Player(requests(b"refuse", b"empty"), connection, time.perf_counter())
        player.start()
        found = {each.answer.error: each.answer.detail for each in wait_for(player, 2)}
    assert found == {"NOT_FOUND": "no such model", UNREADABLE: "the answer holds no outputs"}


def test_a_server_that_keeps_silent_is_a_deadline_exceeded() -> None:
    with serving() as (_, target), Connection(target, 0.2) as connection:
        _, answer = connection.ask(b"ask")
    assert answer.error == "DEADLINE_EXCEEDED"


def test_nobody_there_is_unavailable() -> None:
    with serving() as (_, target):
        pass
    with Connection(target, PATIENCE_SECONDS) as connection:
        assert connection.ask(b"ask")[1].error == "UNAVAILABLE"


def test_a_connection_that_was_closed_is_told() -> None:
    with serving() as (_, target):
        with Connection(target, PATIENCE_SECONDS) as connection:
            pass
        assert connection.ask(b"ask")[1].error == "CANCELLED"


def test_a_player_that_is_stopped_sends_nothing_more() -> None:
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        server.may_answer.set()
        player = Player(requests(*[b"ask"] * 1000, every=0.1), connection, time.perf_counter())
        player.start()
        wait_for(player, 1)
        player.stop()
        time.sleep(0.5)
        before = len(server.asked)
        time.sleep(0.5)
        assert len(server.asked) == before < 1000


def test_the_warm_up_is_asked_and_not_told() -> None:
    with serving() as (server, target), Connection(target, PATIENCE_SECONDS) as connection:
        server.may_answer.set()
        player = Player(requests(), connection, time.perf_counter())
        player.warm_up(requests(b"one", b"two"), time.perf_counter() + PATIENCE_SECONDS)
        player.warm_up(requests(b"too late"), time.perf_counter() - 1)
        assert server.asked == [b"one", b"two"]
        assert not player.outcomes


@pytest.mark.parametrize("garbage", [b"\xff", b"\x0a\x05abc", b"\x08\x01"])
def test_what_is_no_reply_is_unreadable(garbage: bytes) -> None:
    assert read(garbage).error == UNREADABLE
