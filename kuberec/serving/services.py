"""Answers the remote procedures of PredictionService and ModelService; others are UNIMPLEMENTED."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
)

from kuberec.serving.inference import classify, infer, regress
from kuberec.serving.metrics import Metrics
from kuberec.serving.predict import predict
from kuberec.serving.procedures import PACKAGE, PROCEDURES
from kuberec.serving.repository import ModelRepository
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, failed_precondition, invalid_argument, shorten

SIGNATURE_FIELD = "signature_def"
ENTRYPOINT = "GRPC"
# As in TF Serving: not MultiInference, nor what does not run a graph.
COUNTED = ("Predict", "Classify", "Regress")
# A request without a deadline has one in a far future.
FOREVER_SECONDS = 365 * 24 * 3600.0

Run = Callable[[Servable, Any, float | None], Any]

log = logging.getLogger(__name__)


class Services:
    """PredictionService and ModelService over a model repository."""

    def __init__(
        self, repository: ModelRepository, reloadable: bool, metrics: Metrics, *, tensor_content: bool = False
    ) -> None:
        """Nothing is asked yet.

        Args:
            repository: The models.
            reloadable: Whether HandleReloadConfigRequest may replace the config.
            metrics: Counts.
            tensor_content: Answer Predict over gRPC with numbers in `tensor_content`.
        """
        self.metrics = metrics
        self._predict = partial(predict, as_tensor_content=tensor_content)
        self._repository = repository
        self._reloadable = reloadable

    def run(self, function: Run, model_spec: Any, request: Any, timeout: float | None) -> Any:
        """Answer a request with the version that its ModelSpec asks for."""
        with self._repository.servable(model_spec) as servable:
            return function(servable, request, timeout)

    def signatures(self, model_spec: Any) -> dict[str, Any]:
        """SignatureDef by name of the version that a ModelSpec asks for."""
        with self._repository.servable(model_spec) as servable:
            return servable.signatures

    def models(self) -> dict[str, list[int]]:
        """The available versions of each model of the config, newest first."""
        return self._repository.served()

    def metadata(self, request: Any) -> Any:
        """PredictionService.GetModelMetadata: the signatures of a model version."""
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_FIELD:
                raise invalid_argument(f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._repository.servable(spec) as servable:
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def model_status(self, request: Any) -> Any:
        """ModelService.GetModelStatus: the state of one version, or of all ever seen, newest first."""
        spec = _spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, code, message) in self._repository.states(spec).items():
            entry = response.model_version_status.add(version=version, state=state)
            entry.status.error_code = code
            entry.status.error_message = message
        return response

    def reload_config(self, request: Any) -> Any:
        """ModelService.HandleReloadConfigRequest: serve the models of the request's config and no others."""
        if not self._reloadable:
            raise failed_precondition(
                "This server serves every model of a repository folder; start it with --model_config_file to reload "
                "its config."
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = self.metrics.counters(request.metric_names)
        self._repository.reload(request.config)
        response = model_management_pb2.ReloadConfigResponse(status={})
        for name, count in self.metrics.counters(request.metric_names).items():
            response.metric.add(name=name, int64_value_increase=count - before[name])
        return response

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The gRPC handlers of both services."""
        functions: dict[str, Callable[[Any, float | None], Any]] = {
            "Classify": lambda request, timeout: self.run(classify, _spec(request), request, timeout),
            "Regress": lambda request, timeout: self.run(regress, _spec(request), request, timeout),
            "Predict": lambda request, timeout: self.run(self._predict, _spec(request), request, timeout),
            "MultiInference": lambda request, timeout: self.run(infer, _first_spec(request), request, timeout),
            "GetModelMetadata": lambda request, _: self.metadata(request),
            "GetModelStatus": lambda request, _: self.model_status(request),
            "HandleReloadConfigRequest": lambda request, _: self.reload_config(request),
        }
        return [
            grpc.method_handlers_generic_handler(
                f"{PACKAGE}.{service}",
                {
                    name: _method(functions[name], request_type, self.metrics, name if name in COUNTED else "")
                    for name, (request_type, _) in procedures.items()
                },
            )
            for service, procedures in PROCEDURES.items()
        ]


def _spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec


def _first_spec(request: Any) -> Any:
    """The ModelSpec that decides for all tasks; an empty one, which is refused later, where there is no task."""
    return request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()


def seconds_left(context: grpc.ServicerContext) -> float | None:
    """How long the client waits; None for as long as it takes."""
    left = context.time_remaining()
    return left if left is not None and left < FOREVER_SECONDS else None


def _method(function: Callable[[Any, float | None], Any], request_type: Any, metrics: Metrics, api: str) -> Any:
    """A handler; its requests are counted under `api`, or not where that is empty."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        start = time.perf_counter()
        error = None
        try:
            return function(request, seconds_left(context))
        except StatusError as refusal:
            error = refusal
        except Exception as fault:
            log.exception("A request failed in a way that it should not")
            error = StatusError(grpc.StatusCode.INTERNAL, f"{type(fault).__name__}: {fault}")
        finally:
            if api:
                status = error.code.name if error else "OK"
                metrics.record_request(request.model_spec.name, api, ENTRYPOINT, status, time.perf_counter() - start)
        return context.abort(error.code, shorten(error.message))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request_type.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
