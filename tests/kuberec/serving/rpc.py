"""Raw calls with TF Serving's own generated stubs and TensorFlow's own tensor conversion."""

from collections.abc import Sequence
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


def predict(
    target: str,
    model: str,
    inputs: dict[str, Any],
    *,
    signature: str = "",
    version: int | None = None,
    output_filter: Sequence[str] = (),
) -> Any:
    """Predict with tensors that TensorFlow made."""
    return send_predict(target, predict_request(model, inputs, signature, version, output_filter))


def predict_request(
    model: str,
    inputs: dict[str, Any],
    signature: str = "",
    version: int | None = None,
    output_filter: Sequence[str] = (),
) -> Any:
    """A PredictRequest; values that are no TensorProto yet become one."""
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    set_spec(request, model, version)
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    return request


def send_predict(target: str, request: Any) -> Any:
    """Send a PredictRequest."""
    with grpc.insecure_channel(target) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=10)


def call(target: str, service: str, procedure: str, request: Any) -> Any:
    """Any procedure of either service."""
    stub = {"PredictionService": prediction_service_pb2_grpc, "ModelService": model_service_pb2_grpc}[service]
    with grpc.insecure_channel(target) as channel:
        return getattr(getattr(stub, f"{service}Stub")(channel), procedure)(request, timeout=30)


def metadata(
    target: str,
    model: str,
    *,
    version: int | None = None,
    label: str = "",
    fields: Sequence[str] = ("signature_def",),
) -> Any:
    """GetModelMetadata."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    set_spec(request, model, version, label)
    with grpc.insecure_channel(target) as channel:
        return prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=10)


def model_status(
    target: str, model: str, version: int | None = None, label: str = ""
) -> list[tuple[int, str, int, str]]:
    """GetModelStatus: version, state's name, error code and message of each entry."""
    request = get_model_status_pb2.GetModelStatusRequest()
    set_spec(request, model, version, label)
    with grpc.insecure_channel(target) as channel:
        response = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=10)
    name = get_model_status_pb2.ModelVersionStatus.State.Name
    return [
        (entry.version, name(entry.state), entry.status.error_code, entry.status.error_message)
        for entry in response.model_version_status
    ]


def set_spec(request: Any, model: str, version: int | None, label: str = "") -> None:
    """Fill in a request's ModelSpec."""
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
    if version is not None:
        request.model_spec.version.value = version
