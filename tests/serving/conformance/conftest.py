from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberec.serving.model import NO_RETRIES
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.session import SessionOptions
from kuberec.serving.source import config_file
from kuberec.serving.testing import FAST_POLL_SECONDS
from tests.serving.conformance.models import CONFIG_FILE, MONITORING_FILE, write_models


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--serving-target", help="Ask this server, host:port, instead of Kuberec's own.")
    parser.addoption("--serving-rest", help="The same server's host:port for REST.")
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
def addresses(mode: str, models: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The server's `host:port` for gRPC and for REST."""
    if mode == "real":
        yield request.config.getoption("--serving-target"), request.config.getoption("--serving-rest")
        return
    options = ServerOptions(
        strict=mode == "strict",
        poll_seconds=FAST_POLL_SECONDS,
        health=True,
        rest_port=0,
        cors=True,
        monitoring_config_file=models / MONITORING_FILE,
        batching=True,
        per_model_batching=True,
        retries=NO_RETRIES,
        session=SessionOptions(prefer_lite=True, lite_signatures=mode == "default"),
    )
    with ModelServer(config_file(models / CONFIG_FILE), options) as server:
        yield server.address, server.rest_address


@pytest.fixture
def as_tf_serving(mode: str) -> None:
    """For a test of what only strict mode does as TF Serving does."""
    if mode == "default":
        pytest.skip("the default mode does better")


@pytest.fixture(scope="session")
def target(addresses: tuple[str, str]) -> str:
    """The server's `host:port` for gRPC."""
    return addresses[0]


@pytest.fixture(scope="session")
def rest(addresses: tuple[str, str]) -> str:
    """The server's `host:port` for REST."""
    return addresses[1]
