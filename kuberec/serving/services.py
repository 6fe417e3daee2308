"""Answers the remote procedures of PredictionService and ModelService; others are UNIMPLEMENTED."""

import logging
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
)

from kuberec.serving.inference import classify, infer, regress
from kuberec.serving.predict import predict
from kuberec.serving.procedures import PACKAGE, PROCEDURES
from kuberec.serving.repository import ModelRepository
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, failed_precondition, invalid_argument, shorten

SIGNATURE_FIELD = "signature_def"
# A request without a deadline has one in a far future.
FOREVER_SECONDS = 365 * 24 * 3600.0

Run = Callable[[Servable, Any, float | None], Any]

log = logging.getLogger(__name__)


class Services:
    """PredictionService and ModelService over a model repository."""

    def __init__(self, repository: ModelRepository, reloadable: bool) -> None:
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
        self._repository.reload(request.config)
        return model_management_pb2.ReloadConfigResponse(status={})

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The gRPC handlers of both services."""
        functions: dict[str, Callable[[Any, float | None], Any]] = {
            "Classify": lambda request, timeout: self.run(classify, _spec(request), request, timeout),
            "Regress": lambda request, timeout: self.run(regress, _spec(request), request, timeout),
            "Predict": lambda request, timeout: self.run(predict, _spec(request), request, timeout),
            "MultiInference": lambda request, timeout: self.run(infer, _first_spec(request), request, timeout),
            "GetModelMetadata": lambda request, _: self.metadata(request),
            "GetModelStatus": lambda request, _: self.model_status(request),
            "HandleReloadConfigRequest": lambda request, _: self.reload_config(request),
        }
        return [
            grpc.method_handlers_generic_handler(
                f"{PACKAGE}.{service}",
                {name: _method(functions[name], request_type) for name, (request_type, _) in procedures.items()},
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


def _seconds_left(context: grpc.ServicerContext) -> float | None:
    left = context.time_remaining()
    return left if left is not None and left < FOREVER_SECONDS else None


def _method(function: Callable[[Any, float | None], Any], request_type: Any) -> Any:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return function(request, _seconds_left(context))
        except StatusError as error:
            context.abort(error.code, shorten(error.message))
        except Exception as error:
            log.exception("A request failed in a way that it should not")
            context.abort(grpc.StatusCode.INTERNAL, shorten(f"{type(error).__name__}: {error}"))

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request_type.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
