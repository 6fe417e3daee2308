"""What TF Serving lacks: the list of models, readiness; and how the HTTP server takes what is odd."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberec.errors import ServingError
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import Source
from tests.kuberec.serving.saved_models import save_loop
from tests.serving.conformance.asking import wait_until
from tests.serving.conformance.models import config_of, model, publish
from tests.serving.conformance.rest.asking import error, get, post, send


@pytest.fixture
def models(saved: Path, tmp_path: Path) -> Path:
    (tmp_path / "sum").mkdir()
    publish(saved / "sum", tmp_path / "sum" / "1")
    (tmp_path / "empty").mkdir()
    return tmp_path


def server(models: Path, *names: str, strict: bool = False, timeout: float = 30.0) -> ModelServer:
    config = config_of([model(models, name) for name in names])
    options = ServerOptions(rest_port=0, strict=strict, rest_timeout=timeout, poll_seconds=0)
    return ModelServer(Source(lambda: config), options)


@pytest.fixture
def rest(models: Path) -> Iterator[str]:
    with server(models, "sum") as started:
        yield started.rest_address


def test_the_models_are_listed(rest: str) -> None:
    status, text = get(rest, "/v1/models")
    assert (status, json.loads(text)) == (200, {"models": [{"name": "sum", "versions": [1]}]})


def test_the_server_is_ready_when_every_model_answers(rest: str, models: Path, saved: Path) -> None:
    assert get(rest, "/readyz")[0] == 200
    with server(models, "sum", "empty") as started:
        status, text = get(started.rest_address, "/readyz")
        assert (status, json.loads(text)) == (503, {"waiting_for": ["empty"]})
        publish(saved / "sum", models / "empty" / "1")
        started.repository.poll()
        assert get(started.rest_address, "/readyz")[0] == 200


def test_in_strict_mode_there_is_neither(models: Path) -> None:
    with server(models, "sum", strict=True) as started:
        assert error(get(started.rest_address, "/v1/models")) == (400, "Malformed request: GET /v1/models")
        assert get(started.rest_address, "/readyz")[0] == 404


@pytest.mark.parametrize(
    ("name", "value", "body"),
    [("Content-Length", "x", b""), ("Content-Length", "-1", b""), ("Transfer-Encoding", "chunked", b"no size\r\n")],
)
def test_a_body_of_unknown_length_is_refused(rest: str, name: str, value: str, body: bytes) -> None:
    connection = http.client.HTTPConnection(rest, timeout=30)
    connection.putrequest("POST", "/v1/models/sum:predict")
    connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    assert error((response.status, response.read().decode()))[0] == 400
    assert response.headers["Connection"] == "close"
    connection.close()


def test_a_body_may_come_in_chunks(rest: str) -> None:
    connection = http.client.HTTPConnection(rest, timeout=30)
    for _ in range(2):
        pieces = iter([b'{"instances": [{"a": 1.0, ', b'"b": 2.0}]}'])
        connection.request("POST", "/v1/models/sum:predict", pieces, encode_chunked=True)
        assert json.loads(connection.getresponse().read())["predictions"][0]["total"] == 3.0
    connection.close()


def test_a_body_that_is_no_gzip_is_refused(rest: str) -> None:
    status, _, content = send(rest, "POST", "/v1/models/sum:predict", b"plain", {"Content-Encoding": "gzip"})
    assert error((status, content.decode()))[0] == 400


def test_cors_is_off_unless_asked_for(rest: str) -> None:
    status, headers, _ = send(rest, "OPTIONS", "/v1/models/sum", headers={"Origin": "https://shop.example"})
    assert status == 400
    assert "Access-Control-Allow-Origin" not in headers


def test_a_run_that_takes_too_long_is_given_up(models: Path) -> None:
    (models / "loop").mkdir()
    save_loop(models / "loop" / "1")
    with server(models, "loop", timeout=0.05) as started:
        answer = error(post(started.rest_address, "/v1/models/loop:predict", {"inputs": 2**62}))
        assert answer == (504, "Timed out waiting for notification")


def test_a_port_in_use_is_named(models: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"Cannot listen on 127.0.0.1:{port} for REST: .*--rest_api_port"):
            ModelServer(models, ServerOptions(rest_port=port))


def test_a_running_request_is_answered_before_the_server_stops(models: Path) -> None:
    (models / "loop").mkdir()
    save_loop(models / "loop" / "1")
    answers: list[tuple[int, str]] = []
    started = server(models, "loop")
    started.start()
    assert started.web
    web = started.web
    body = {"inputs": 1000}
    asking = threading.Thread(
        target=lambda: answers.append(post(started.rest_address, "/v1/models/loop:predict", body))
    )
    asking.start()
    wait_until(lambda: web.running == 1)
    started.stop()
    asking.join(30)
    assert answers == [(200, '{\n    "outputs": 1000\n}')]
