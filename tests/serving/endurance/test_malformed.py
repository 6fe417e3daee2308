"""Whatever is sent to a server's ports, it answers with a documented code, and answers the next good request."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

from kuberec.client import questions
from kuberec.serving.codec import FIELDS
from kuberec.serving.procedures import PACKAGE, PROCEDURES
from tests.kuberec.serving.saved_models import save_echo, save_examples, save_recommender
from tests.serving.endurance.process import ServerProcess

CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
}
"""What a procedure may answer to a message; UNKNOWN where a new config's models do not load."""
HTTP_CODES = {200, 400, 404, 405, 411, 413, 414, 415, 431, 501}
PATIENCE_SECONDS = 30
MODELS = {"echo": save_echo, "examples": save_examples, "recommender": save_recommender}
GOOD = questions.recommend("recommender", ["ann"], 1, None)

pytestmark = pytest.mark.slow
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

procedures = st.sampled_from([(service, name) for service, found in PROCEDURES.items() for name in found])
sizes = st.integers(-2, 4) | st.sampled_from([2**31, 2**40, 2**62])
numbers = st.integers(-(2**31), 2**31 - 1)


class Asked:
    """A server and open connections to it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.channel = grpc.insecure_channel(server.target)

    def call(self, path: str, message: bytes) -> grpc.StatusCode:
        """The code that bytes are answered with."""
        try:
            self.channel.unary_unary(path)(message, timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK

    def http(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
        """The status that a request is answered with."""
        connection = http.client.HTTPConnection(self.server.rest, timeout=PATIENCE_SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            return connection.getresponse().status
        finally:
            connection.close()

    def check(self) -> None:
        """The next good request is answered, by either door."""
        reply = self.channel.unary_unary(GOOD.procedure)(GOOD.request, timeout=PATIENCE_SECONDS)
        assert GOOD.answer(reply)[0].item_ids == ["i1"]
        assert self.http("POST", "/v1/models/echo:predict", b'{"instances": [1.5]}', {}) == 200


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder: Path = tmp_path_factory.mktemp("malformed")
    entries = []
    for name, save in MODELS.items():
        (folder / name).mkdir()
        save(folder / name / "1")
        entries.append(f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}')
    config = folder / "models.config"
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}", encoding="utf-8")
    with ServerProcess(config, folder / "log") as server:
        yield Asked(server)
        assert server.running()
        assert "should not" not in server.said(), server.said()


@st.composite
def tensors(draw: st.DrawFn) -> tensor_pb2.TensorProto:
    """Tensors whose type, shape and values need not go together."""
    tensor = tensor_pb2.TensorProto(dtype=draw(st.sampled_from([*FIELDS, 0, 7, 20, 21, 101, 999])))
    for size in draw(st.lists(sizes, max_size=3)):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 5 + [True]))
    for field in draw(st.lists(st.sampled_from(sorted(set(FIELDS.values()))), max_size=2)):
        values: Any = {
            "string_val": st.binary(max_size=4),
            "bool_val": st.booleans(),
            "float_val": st.floats(width=32),
            "double_val": st.floats(),
        }.get(field, st.integers(0, 2**16 - 1))
        getattr(tensor, field).extend(draw(st.lists(values, max_size=4)))
    if draw(st.booleans()):
        tensor.tensor_content = draw(st.binary(max_size=16))
    return tensor


@st.composite
def predictions(draw: st.DrawFn) -> bytes:
    """Requests for a prediction, of models and inputs that there are and are not."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = draw(st.sampled_from([*MODELS, "", "nobody"]))
    request.model_spec.signature_name = draw(
        st.sampled_from(["", "recommend", "doubles", "texts", "several", "halves", "classify"]) | st.text(max_size=3)
    )
    if draw(st.booleans()):
        request.model_spec.version.value = draw(st.sampled_from([0, 1, 2, -1, 2**63 - 1]))
    names = st.sampled_from(["x", "k", "user_id", "exclude_item_ids", "inputs", ""]) | st.text(max_size=3)
    for name in draw(st.lists(names, max_size=3)):
        request.inputs[name].CopyFrom(draw(tensors()))
    request.output_filter.extend(draw(st.lists(st.sampled_from(["scores", "item_ids", "x", ""]), max_size=2)))
    return bytes(request.SerializeToString())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good request with some bytes changed, cut out, or put in."""
    message = bytearray(GOOD.request)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(message)))
        message[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(message)


def readable(service: str, name: str, message: bytes) -> bool:
    """Whether protobuf reads the bytes."""
    request, _ = PROCEDURES[service][name]
    try:
        request.FromString(message)
    except DecodeError:
        return False
    return True


@relaxed
@given(procedures, st.binary(max_size=60))
def test_any_bytes_to_any_procedure(asked: Asked, procedure: tuple[str, str], message: bytes) -> None:
    service, name = procedure
    code = asked.call(f"/{PACKAGE}.{service}/{name}", message)
    assert code in CODES if readable(service, name, message) else code is grpc.StatusCode.INTERNAL
    asked.check()


@relaxed
@given(damaged())
def test_a_damaged_request(asked: Asked, message: bytes) -> None:
    code = asked.call(questions.PREDICT, message)
    whole = readable("PredictionService", "Predict", message)
    assert code in CODES if whole else code is grpc.StatusCode.INTERNAL
    asked.check()


@relaxed
@given(predictions())
def test_any_tensors(asked: Asked, message: bytes) -> None:
    assert asked.call(questions.PREDICT, message) in CODES
    asked.check()


@relaxed
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"]),
    st.sampled_from(["", "/v1/models/echo", "/v1/models/", "/monitoring/"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
    st.binary(max_size=40),
    st.dictionaries(
        st.sampled_from(["Content-Encoding", "Content-Type", "Accept-Encoding", "Origin", "Expect", "X-Any"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8),
        max_size=2,
    ),
)
def test_any_http_request(
    asked: Asked, method: str, start: str, rest: str, body: bytes, headers: dict[str, str]
) -> None:
    assert asked.http(method, start + rest or "/", body, headers) in HTTP_CODES
    asked.check()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just({"b64": "w6k="})
names = st.sampled_from(["x", "user_id", "b64", "k"]) | st.text(max_size=2)
documents = st.recursive(scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=3))


@relaxed
@given(
    st.sampled_from(["echo:predict", "recommender:predict", "examples:classify", "examples:regress", "echo:what"]),
    st.dictionaries(st.sampled_from(["instances", "inputs", "examples", "signature_name", "context"]), documents),
    st.integers(0, 200),
)
def test_any_document(asked: Asked, path: str, document: dict[str, Any], cut: int) -> None:
    """Documents that are whole, and such that break off."""
    text = json.dumps(document).encode()
    assert asked.http("POST", f"/v1/models/{path}", text[: cut or None], {}) in HTTP_CODES
    asked.check()
