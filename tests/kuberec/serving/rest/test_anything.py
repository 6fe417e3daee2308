"""Whatever a client sends, it gets a documented status, and the next request is answered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuberec.serving.options import ServerOptions
from kuberec.serving.rest.api import RestApi
from kuberec.serving.server import ModelServer
from tests.kuberec.serving.saved_models import save_echo, save_examples

DOCUMENTED = {200, 400, 404, 501}
GOOD = b'{"instances": [1.5]}'

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just({"b64": "w6k="})
names = st.sampled_from(["x", "b", "i", "b64", "inputs"]) | st.text(max_size=3)
values = st.recursive(scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=3))
signatures = st.sampled_from(["", "doubles", "texts", "several", "halves", "classify"]) | values
documents = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": signatures,
        "instances": values,
        "inputs": values,
        "examples": values,
        "context": values,
    },
)
paths = st.sampled_from([f"/v1/models/{name}" for name in ("echo:predict", "examples:classify", "examples:regress")])


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestApi]:
    folder: Path = tmp_path_factory.mktemp("models")
    for name, save in (("echo", save_echo), ("examples", save_examples)):
        (folder / name).mkdir()
        save(folder / name / "1")
    with ModelServer(folder, ServerOptions(rest_port=0)) as server:
        assert server.web
        yield server.web.api


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=paths, document=documents)
def test_any_document(api: RestApi, path: str, document: Any) -> None:
    status, text = api.answer("POST", path, json.dumps(document).encode())
    assert status in DOCUMENTED, text
    text.encode(errors="surrogateescape")
    assert api.answer("POST", "/v1/models/echo:predict", GOOD)[0] == 200


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=paths, body=st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
def test_any_bytes(api: RestApi, path: str, body: bytes) -> None:
    assert api.answer("POST", path, body)[0] in DOCUMENTED


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(method=st.sampled_from(["GET", "POST", "PUT"]), path=st.text(max_size=20).map("/v1/models/".__add__))
def test_any_path(api: RestApi, method: str, path: str) -> None:
    assert api.answer(method, path, GOOD)[0] in DOCUMENTED


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 200 + b"]" * 200 + b"}",
        rb'{"signature_name": "\ud800", "inputs": 1}',
        b'{"inputs": "\xed\xa0\x80"}',
        b'{"inputs": 1' + b"0" * 5000 + b"}",
    ],
    ids=["endless", "deep", "half a character", "no utf-8", "long number"],
)
def test_what_no_parser_likes(api: RestApi, body: bytes) -> None:
    status, text = api.answer("POST", "/v1/models/echo:predict", body)
    assert status == 400
    assert json.loads(text)["error"]
