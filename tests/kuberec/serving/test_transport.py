"""How the server is reached: Unix socket, TLS, mTLS, channel arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from kuberec.errors import ConfigError, ServingError
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from tests.kuberec.serving import rpc
from tests.kuberec.serving.authority import Authority
from tests.serving.conformance.models import publish

REQUEST = rpc.predict_request("sum", {"a": [1.0], "b": [2.0]})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the operator")


@pytest.fixture
def ssl_config(authority: Authority, tmp_path: Path) -> Callable[..., Path]:
    """Writes an SSL config file with a fresh certificate; other fields as given."""
    return lambda **fields: authority.write_ssl_config(tmp_path / "ssl.config", **fields)


@pytest.fixture(scope="module")
def repository(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "sum").mkdir()
    publish(saved / "sum", folder / "sum" / "1")
    return folder


def ask(channel: grpc.Channel) -> float:
    with channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(REQUEST, timeout=5)
    return float(response.outputs["total"].float_val[0])


def unreachable(channel: grpc.Channel) -> bool:
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel)
    return bool(caught.value.code() is grpc.StatusCode.UNAVAILABLE)


def credentials(root: str, key: str | None = None, certificate: str | None = None) -> grpc.ChannelCredentials:
    own = key.encode() if key else None, certificate.encode() if certificate else None
    return grpc.ssl_channel_credentials(root.encode(), *own)


def test_a_unix_socket_answers_beside_the_port(repository: Path, tmp_path: Path) -> None:
    socket = tmp_path / "kuberec.sock"
    with ModelServer(repository, ServerOptions(socket_path=str(socket))) as server:
        assert ask(grpc.insecure_channel(f"unix:{socket}")) == 3.0
        assert ask(grpc.insecure_channel(server.address)) == 3.0


def test_the_log_tells_in_tf_servings_words_that_it_listens(repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kuberec")
    with ModelServer(repository, ServerOptions(rest_port=0)) as server:
        assert f"Running gRPC ModelServer at 127.0.0.1:{server.port} ..." in caplog.text
        assert f"Exporting HTTP/REST API at:{server.rest_address} ..." in caplog.text


def test_a_unix_socket_of_another_server_is_taken_over(repository: Path, tmp_path: Path) -> None:
    path = f"unix:{tmp_path / 'kuberec.sock'}"
    with ModelServer(repository, ServerOptions(socket_path=str(tmp_path / "kuberec.sock"))) as first:
        with ModelServer(repository, ServerOptions(socket_path=str(tmp_path / "kuberec.sock"))):
            assert ask(grpc.insecure_channel(path)) == 3.0
        assert ask(grpc.insecure_channel(first.address)) == 3.0


def test_a_socket_that_cannot_be_made_is_named(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "kuberec.sock"
    with pytest.raises(ServingError, match=f"Cannot listen on unix:{path}: it is taken or not allowed"):
        ModelServer(repository, ServerOptions(socket_path=str(path)))


def test_tls(repository: Path, authority: Authority, ssl_config: Callable[..., Path]) -> None:
    with ModelServer(repository, ServerOptions(ssl_config_file=ssl_config())) as server:
        assert ask(grpc.secure_channel(server.address, credentials(authority.certificate))) == 3.0
        assert unreachable(grpc.insecure_channel(server.address))
        stranger = Authority("somebody else").certificate
        assert unreachable(grpc.secure_channel(server.address, credentials(stranger)))


def test_mtls_wants_a_certificate_of_the_clients_authority(
    repository: Path, authority: Authority, ssl_config: Callable[..., Path]
) -> None:
    file = ssl_config(custom_ca=authority.certificate, client_verify="true")
    with ModelServer(repository, ServerOptions(ssl_config_file=file)) as server:
        known = credentials(authority.certificate, *authority.issue())
        assert ask(grpc.secure_channel(server.address, known)) == 3.0
        assert unreachable(grpc.secure_channel(server.address, credentials(authority.certificate)))
        unknown = credentials(authority.certificate, *Authority("somebody else").issue())
        assert unreachable(grpc.secure_channel(server.address, unknown))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"server_key": ""}, "lacks server_key or server_cert"),
        ({"client_verify": "true"}, "asks for client_verify and names no custom_ca"),
        ({"key": "x"}, "expects a text proto of the fields"),
    ],
)
def test_a_wrong_ssl_config_is_named(
    repository: Path, ssl_config: Callable[..., Path], fields: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        ModelServer(repository, ServerOptions(ssl_config_file=ssl_config(**fields)))


def test_a_missing_ssl_config_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ssl\.config cannot be read"):
        ModelServer(repository, ServerOptions(ssl_config_file=tmp_path / "ssl.config"))


def health(target: str) -> Any:
    with grpc.insecure_channel(target) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)


def test_health_is_answered_only_where_it_was_asked_for(repository: Path) -> None:
    with ModelServer(repository) as server, pytest.raises(grpc.RpcError) as caught:
        health(server.address)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_channel_arguments_reach_grpc(repository: Path) -> None:
    small = ServerOptions(channel_arguments=[("grpc.max_receive_message_length", 10)])
    with ModelServer(repository, small) as server, pytest.raises(grpc.RpcError) as caught:
        ask(grpc.insecure_channel(server.address))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
