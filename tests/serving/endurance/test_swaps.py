"""Fifty new versions and fifty new configs while clients ask without a pause: nothing fails, and memory comes back."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

from kuberec.client import Client, Retry
from kuberec.errors import ServingError
from tests.serving.endurance.process import ServerProcess

SWAPS = RELOADS = 50
SETTLED = 10
"""Changes after which memory has its level: buffers are grown, pages are reused."""
MODEL_MIB = 16
ROOM_MIB = 6 * MODEL_MIB
"""By how much memory may differ from its level; the changes after `SETTLED` load seven times as much."""
CLIENTS = 4
PATIENCE_SECONDS = 60

pytestmark = pytest.mark.slow


class Ballast(tf.Module):
    """total = x + a variable of some size, so that a version that is not freed shows."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = tf.Variable(tf.ones([MODEL_MIB * 2**18]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def add(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": x + self.numbers[0]}


class Load:
    """Clients that ask as fast as they are answered; a refusal is not asked again.

    Attributes:
        failures: What was refused.
        answered: Number of right answers.
        version: The newest that has answered.
    """

    def __init__(self, target: str, model: str) -> None:
        self.failures: list[str] = []
        self.answered = 0
        self.version = 0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(target, model)) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, target: str, model: str) -> None:
        with Client(target, timeout=PATIENCE_SECONDS, retry=Retry(tries=1)) as client:
            while not self._end.is_set():
                try:
                    answer = client.predict(model, {"x": [1.0]})
                except ServingError as error:
                    self.failures.append(str(error))
                    continue
                with self._lock:
                    right = answer.outputs["total"] == [2.0]
                    self.answered += right
                    self.version = max(self.version, answer.version)
                if not right:
                    self.failures.append(str(answer))


def until(condition: Callable[[], bool], load: Load) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, load.failures[:3]
        time.sleep(0.01)


def config_of(folder: Path, *names: str) -> str:
    """A models.config of the named models, all of them in the same base path."""
    models = (f'config {{ name: "{name}" base_path: "{folder}" model_platform: "tensorflow" }}' for name in names)
    return f"model_config_list {{ {' '.join(models)} }}"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "ballast"
    tf.saved_model.save(module := Ballast(), str(folder), signatures={"serving_default": module.add})
    return folder


@pytest.fixture
def versions(saved: Path, tmp_path: Path) -> Path:
    """A base path with version 1."""
    shutil.copytree(saved, tmp_path / "ballast" / "1")
    return tmp_path / "ballast"


def publish(saved: Path, versions: Path, number: int) -> None:
    """Put a version beside the others, whole at once."""
    half = versions.parent / "half"
    shutil.copytree(saved, half)
    half.rename(versions / str(number))


def test_versions_are_swapped_under_load(saved: Path, versions: Path, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(config_of(versions, "ballast"), encoding="utf-8")
    with ServerProcess(tmp_path / "models.config", tmp_path / "log") as server, Load(server.target, "ballast") as load:
        for number in range(2, SWAPS + 2):
            publish(saved, versions, number)
            until(lambda newest=number: load.version == newest, load)  # type: ignore[misc]
            shutil.rmtree(versions / str(number - 1))
            if number == SETTLED + 1:
                level = server.resident_mib()
        until(lambda: server.resident_mib() < level + ROOM_MIB, load)
        assert server.running()
    assert not load.failures
    assert load.answered > SWAPS


def test_configs_are_reloaded_under_load(versions: Path, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(config_of(versions, "ballast"), encoding="utf-8")
    with ServerProcess(tmp_path / "models.config", tmp_path / "log") as server, Load(server.target, "ballast") as load:
        for number in range(1, RELOADS + 1):
            names = ("ballast", "another") if number % 2 else ("ballast",)
            reload(server.target, config_of(versions, *names))
            if number % 2:
                with Client(server.target, timeout=PATIENCE_SECONDS) as client:
                    assert client.predict("another", {"x": [2.0]}).outputs == {"total": [3.0]}
            if number == SETTLED:
                level = server.resident_mib()
        until(lambda: server.resident_mib() < level + ROOM_MIB, load)
        assert server.running()
    assert not load.failures
    assert load.answered > RELOADS


def reload(target: str, config: str) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(config, request.config)
    with grpc.insecure_channel(target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        reply = stub.HandleReloadConfigRequest(request, timeout=PATIENCE_SECONDS)
    assert reply.status.error_code == 0, reply
