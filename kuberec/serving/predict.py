"""What Predict does with a request, in TF Serving's order and words."""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
from tensorflow_serving.apis import predict_pb2

from kuberec.serving import codec
from kuberec.serving.codec import Array
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, internal, invalid_argument

DEFAULT_SIGNATURE = "serving_default"
API = "Predict"
METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


def predict(servable: Servable, request: Any, timeout: float | None = None, *, as_tensor_content: bool = False) -> Any:
    """Answer a PredictRequest with a PredictResponse.

    Args:
        servable: The version to run.
        request: The request; its ModelSpec chooses the signature only.
        timeout: Seconds that the run may take; None for any.
        as_tensor_content: Answer numbers in `tensor_content`.

    Raises:
        StatusError: Unknown or unfit signature, wrong inputs, wrong output filter, or the graph refused.
    """
    signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(signature_name)
    if signature is None:
        raise StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{signature_name}" not found.')
    if servable.checks_methods and signature.method_name not in METHODS:
        raise internal(
            f"Expected prediction signature method_name to be one of {{{', '.join(METHODS)}}}. "
            f"Was: {signature.method_name}"
        )
    feeds = input_values(signature, request.inputs, servable.defaults[signature_name])
    outputs = output_tensors(signature, request.output_filter)
    values = servable.run(API, feeds, [info.name for info in outputs.values()], timeout)
    response = predict_pb2.PredictResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.model_spec.signature_name = signature_name
    for (alias, info), value in zip(outputs.items(), values, strict=True):
        response.outputs[alias].CopyFrom(codec.encode(value, info.dtype, as_content=as_tensor_content))
    return response


def input_values(signature: Any, sent: Mapping[str, Any], defaults: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays by tensor name: what was sent, and the signature's defaults for what was not.

    Raises:
        StatusError: An input is missing, superfluous or cannot be parsed.
    """
    if not defaults:
        _check_count(signature, sent)
    feeds = {}
    for alias, info in sorted(signature.inputs.items()):
        if alias in sent:
            feeds[info.name] = _decoded(alias, sent[alias])
        elif alias in defaults:
            feeds[info.name] = defaults[alias]
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {{{_names(sent)}}}, "
                f"or default input alias set: {_names(defaults)}"
            )
    used = [alias for alias in sent if alias in signature.inputs]
    if len(used) != len(sent):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_names(used)}, request input: {_names(sent)}"
        )
    return feeds


def output_tensors(signature: Any, output_filter: Iterable[str]) -> dict[str, Any]:
    """TensorInfo by alias: those of the filter in its order, or all.

    Raises:
        StatusError: The filter names an unknown output, or one twice.
    """
    chosen: dict[str, Any] = {}
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_names(signature.outputs)}}}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen[alias] = signature.outputs[alias]
    return chosen or dict(sorted(signature.outputs.items()))


def _check_count(signature: Any, sent: Mapping[str, Any]) -> None:
    expected, given = set(signature.inputs), set(sent)
    if len(given) != len(expected):
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(expected)} "
            f"len({{{_names(given)}}}) != len({{{_names(expected)}}}). "
            f"Sent extra: {{{_names(given - expected)}}}. Missing but required: {{{_names(expected - given)}}}."
        )


def _decoded(alias: str, tensor: Any) -> Array:
    try:
        return codec.decode(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def _names(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
