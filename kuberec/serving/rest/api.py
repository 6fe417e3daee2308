"""Which path asks what, and which HTTP status an error gets."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from kuberec.serving.inference import classify, regress
from kuberec.serving.predict import DEFAULT_SIGNATURE, predict
from kuberec.serving.rest import reading, writing
from kuberec.serving.services import SIGNATURE_FIELD, Services
from kuberec.serving.status import StatusError, invalid_argument

MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
RUN_PATH = re.compile(MODEL + r":(?P<method>classify|regress|predict)", re.IGNORECASE)
MODEL_PATH = re.compile(MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)
INT64_MAX = 2**63 - 1

Code = grpc.StatusCode
HTTP_STATUS = {
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}

log = logging.getLogger(__name__)

Reply = tuple[int, str]


class RestApi:
    """Answers REST requests with what the gRPC services answer."""

    def __init__(self, services: Services, *, timeout: float, strict: bool) -> None:
        """Nothing is served yet.

        Args:
            services: The procedures.
            timeout: Seconds that the run of a graph may take.
            strict: Leave out `/readyz` and the list of models, which TF Serving lacks.
        """
        self._services = services
        self._timeout = timeout
        self._strict = strict
        self._methods: dict[str, Callable[[Any, bytes], str]] = {
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
        }

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """HTTP status and JSON text for a request.

        Args:
            method: `GET` or `POST`; others are malformed.
            path: Without a query.
            body: The JSON text, as it was before any compression.
        """
        try:
            return self._answer(method, path, body)
        except StatusError as error:
            return refusal(error)
        except Exception as error:
            log.exception("A request failed in a way that it should not")
            return refusal(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))

    def _answer(self, method: str, path: str, body: bytes) -> Reply:
        if not self._strict and method == "GET" and path == "/readyz":
            return self._ready()
        if not re.match("/v1/", path, re.IGNORECASE):
            return 404, ""
        if method == "POST" and (found := RUN_PATH.fullmatch(path)):
            return 200, self._methods[found["method"].lower()](_spec(found), body)
        if method == "GET" and (found := MODEL_PATH.fullmatch(path)):
            return 200, self._metadata(_spec(found)) if found["metadata"] else self._status(_spec(found))
        if not self._strict and method == "GET" and path == "/v1/models":
            return 200, self._list()
        raise invalid_argument(f"Malformed request: {method} {path}")

    def _predict(self, spec: Any, body: bytes) -> str:
        document = reading.parse(body)
        request = predict_pb2.PredictRequest(model_spec=spec)
        request.model_spec.signature_name = reading.signature_name(document)
        inputs, by_row = reading.predict_inputs(document, self._inputs(request.model_spec))
        for name, proto in inputs.items():
            request.inputs[name].CopyFrom(proto)
        response = self._services.run(predict, request.model_spec, request, self._timeout)
        return writing.predictions(response.outputs, by_row=by_row)

    def _inputs(self, spec: Any) -> dict[str, Any]:
        name = spec.signature_name or DEFAULT_SIGNATURE
        signatures = self._services.signatures(spec)
        if name not in signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        if not signatures[name].inputs:
            raise invalid_argument(f"Failed to get input map for signature: {spec.signature_name or 'DEFAULT'}")
        return dict(signatures[name].inputs)

    def _classify(self, spec: Any, body: bytes) -> str:
        request = _example_request(classification_pb2.ClassificationRequest(model_spec=spec), body)
        response = self._services.run(classify, request.model_spec, request, self._timeout)
        return writing.classifications(response.result)

    def _regress(self, spec: Any, body: bytes) -> str:
        request = _example_request(regression_pb2.RegressionRequest(model_spec=spec), body)
        response = self._services.run(regress, request.model_spec, request, self._timeout)
        return writing.regressions(response.result)

    def _status(self, spec: Any) -> str:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return _json(_as_dict(self._services.model_status(request)))

    def _metadata(self, spec: Any) -> str:
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
        response = self._services.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_FIELD].Unpack(signatures)
        return _json({"model_spec": _as_dict(response.model_spec), "metadata": {SIGNATURE_FIELD: _as_dict(signatures)}})

    def _list(self) -> str:
        names = self._services.models()
        return _json({"models": [{"name": name, "versions": versions} for name, versions in names.items()]})

    def _ready(self) -> Reply:
        waiting = [name for name, versions in self._services.models().items() if not versions]
        return (503, _json({"waiting_for": waiting})) if waiting else (200, _json({"waiting_for": []}))


def refusal(error: StatusError) -> Reply:
    """HTTP status and JSON text of an error."""
    return HTTP_STATUS.get(error.code, 500), writing.document({"error": error.message})


def _spec(found: re.Match[str]) -> Any:
    spec = model_pb2.ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        if int(found["version"]) > INT64_MAX:
            raise invalid_argument(f"Failed to convert version: {found['version']} to numeric.")
        spec.version.value = int(found["version"])
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return spec


def _example_request(request: Any, body: bytes) -> Any:
    document = reading.parse(body)
    request.model_spec.signature_name = reading.signature_name(document)
    request.input.CopyFrom(reading.examples(document))
    return request


def _as_dict(message: Any) -> Any:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
