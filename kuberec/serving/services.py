"""The remote procedures of TF Serving that this server answers; others are UNIMPLEMENTED."""

import logging
from collections.abc import Callable
from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from kuberec.serving.predict import predict
from kuberec.serving.repository import ModelRepository
from kuberec.serving.status import StatusError, invalid_argument, shorten

SIGNATURE_FIELD = "signature_def"

log = logging.getLogger(__name__)


class Services:
    """PredictionService and ModelService over a model repository."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository

    def predict(self, request: Any) -> Any:
        """PredictionService.Predict: run a signature of a model version."""
        _require_spec(request)
        with self._repository.servable(request.model_spec) as servable:
            return predict(servable, request)

    def metadata(self, request: Any) -> Any:
        """PredictionService.GetModelMetadata: the signatures of a model version."""
        _require_spec(request)
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_FIELD:
                raise invalid_argument(f"Metadata field {name} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._repository.servable(request.model_spec) as servable:
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def model_status(self, request: Any) -> Any:
        """ModelService.GetModelStatus: the state of one version, or of all ever seen, newest first."""
        _require_spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, code, message) in self._repository.states(request.model_spec).items():
            entry = response.model_version_status.add(version=version, state=state)
            entry.status.error_code = code
            entry.status.error_message = message
        return response

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The gRPC handlers of both services."""
        prediction = {
            "Predict": _method(self.predict, predict_pb2.PredictRequest),
            "GetModelMetadata": _method(self.metadata, get_model_metadata_pb2.GetModelMetadataRequest),
        }
        model = {"GetModelStatus": _method(self.model_status, get_model_status_pb2.GetModelStatusRequest)}
        return [
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", prediction),
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", model),
        ]


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")


def _method(function: Callable[[Any], Any], request_type: Any) -> Any:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return function(request)
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
