from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberec.serving.model import Retries
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import config_file
from kuberec.serving.testing import FAST_POLL_SECONDS
from tests.serving.conformance.models import CONFIG_FILE, write_models


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--serving-target", help="Ask this server, host:port, instead of Kuberec's own.")
    parser.addoption("--serving-models", help="The folder of its models, under the path that the server knows.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" in metafunc.fixturenames:
        named = metafunc.config.getoption("--serving-target", default=None)
        metafunc.parametrize("mode", ["real"] if named else ["default", "strict"], scope="session")


@pytest.fixture(scope="session")
def models(mode: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models."""
    if mode == "real":
        return Path(request.config.getoption("--serving-models"))
    return write_models(tmp_path_factory.mktemp(mode)).parent


@pytest.fixture(scope="session")
def target(mode: str, models: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The server's `host:port`."""
    if mode == "real":
        yield str(request.config.getoption("--serving-target"))
        return
    options = ServerOptions(
        strict=mode == "strict", poll_seconds=FAST_POLL_SECONDS, health=True, retries=Retries(0, 0.0)
    )
    with ModelServer(config_file(models / CONFIG_FILE), options) as server:
        yield server.address
