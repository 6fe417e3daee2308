"""A profile as TensorBoard takes it."""

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import profiler_options_pb2, xplane_pb2

from kuberec.serving.options import ServerOptions
from kuberec.serving.protos import new_message
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
    (profile,) = (tmp_path / "log" / "plugins" / "profile").glob("*/*.xplane.pb")
    assert profile.stem.startswith("localhost_")
    planes = xplane_pb2.XSpace.FromString(profile.read_bytes()).planes
    assert any(line.events for plane in planes for line in plane.lines)


def profile(target: str, folder: Path, milliseconds: int) -> Any:
    options = profiler_options_pb2.ProfileOptions(duration_ms=milliseconds, host_tracer_level=2)
    request = new_message("ProfileRequest")
    request.repository_root, request.session_id, request.host_name = str(folder), "session", "host:1"
    request.opts = options.SerializeToString()
    with grpc.insecure_channel(target) as channel:
        answer = channel.unary_unary("/tensorflow.ProfilerService/Profile")(request.SerializeToString(), timeout=20)
    return type(new_message("ProfileResponse")).FromString(answer)


def test_of_two_profiles_at_a_time_one_is_refused(repository: Path, tmp_path: Path) -> None:
    with ModelServer(repository, ServerOptions(profiler=True)) as server:
        tf.profiler.experimental.start(str(tmp_path))
        try:
            with pytest.raises(grpc.RpcError, match="Another profiler is running") as caught:
                profile(server.address, tmp_path / "log", 1)
        finally:
            tf.profiler.experimental.stop(save=False)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        profile(server.address, tmp_path / "log", 1)


def test_a_profile_may_be_ended_early(repository: Path, tmp_path: Path) -> None:
    end = new_message("TerminateRequest")
    end.session_id = "session"
    with (
        ModelServer(repository, ServerOptions(profiler=True)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        channel.unary_unary("/tensorflow.ProfilerService/Terminate")(end.SerializeToString(), timeout=20)
        # Longer than the client waits.
        profile(server.address, tmp_path / "log", 60_000)
    assert [file.name for file in (tmp_path / "log" / "session").iterdir()] == ["host_1.xplane.pb"]


def test_a_folder_that_cannot_be_written_is_named(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = pytest.raises(grpc.RpcError, match=str(tmp_path / "file"))
    with ModelServer(repository, ServerOptions(profiler=True)) as server, refused as caught:
        profile(server.address, tmp_path / "file", 1)
    assert caught.value.code() is grpc.StatusCode.INTERNAL


def test_unless_told_to_the_server_answers_no_profiler(repository: Path) -> None:
    with ModelServer(repository) as server:
        assert ask(server.address, "/tensorflow.ProfilerService/Profile") is grpc.StatusCode.UNIMPLEMENTED
