"""A profile as TensorBoard takes it."""

import threading
from pathlib import Path

import grpc
import pytest
import tensorflow as tf

from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import SUM
from tests.serving.conformance.models import publish


@pytest.fixture
def repository(saved: Path, tmp_path: Path) -> Path:
    (tmp_path / "models" / "sum").mkdir(parents=True)
    publish(saved / "sum", tmp_path / "models" / "sum" / "1")
    return tmp_path / "models"


def ask(target: str, procedure: str) -> grpc.StatusCode:
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(procedure)(b"", timeout=20)
    return caught.value.code()


def test_the_server_can_be_profiled(repository: Path, tmp_path: Path) -> None:
    done = threading.Event()
    with ModelServer(repository, ServerOptions(profiler=True)) as server:

        def work() -> None:
            while not done.is_set():
                rpc.predict(server.address, "sum", SUM)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            tf.profiler.experimental.client.trace(f"grpc://{server.address}", str(tmp_path / "log"), 300)
        finally:
            done.set()
            worker.join()
        assert ask(server.address, "/tensorflow.ProfilerService/Nothing") is grpc.StatusCode.UNIMPLEMENTED
        assert ask(server.address, "/tensorflow.serving.Nothing/Nothing") is grpc.StatusCode.UNIMPLEMENTED
    (profile,) = (tmp_path / "log").rglob("*.xplane.pb")
    assert profile.stat().st_size > 0


def test_unless_told_to_the_server_answers_no_profiler(repository: Path) -> None:
    with ModelServer(repository) as server:
        assert ask(server.address, "/tensorflow.ProfilerService/Profile") is grpc.StatusCode.UNIMPLEMENTED
