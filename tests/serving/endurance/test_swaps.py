"""Fifty new versions and fifty new configs while clients ask without a pause: nothing fails, and memory comes back."""

import shutil
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

from kuberec.client import Client
from tests.serving.endurance.load import MODEL_MIB, PATIENCE_SECONDS, Load, save_ballast, until
from tests.serving.endurance.process import ServerProcess

SWAPS = RELOADS = 50
SETTLED = 10
"""Changes after which memory has its level: buffers are grown, pages are reused."""
ROOM_MIB = 6 * MODEL_MIB
"""By how much memory may differ from its level; the changes after `SETTLED` load seven times as much."""

pytestmark = pytest.mark.slow


def config_of(folder: Path, *names: str) -> str:
    """A models.config of the named models, all of them in the same base path."""
    models = (f'config {{ name: "{name}" base_path: "{folder}" model_platform: "tensorflow" }}' for name in names)
    return f"model_config_list {{ {' '.join(models)} }}"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "ballast"
    save_ballast(folder)
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
