"""A TensorFlow Lite model without signatures: y = x / 2 + 2."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import available, refusal
from tests.serving.conformance.rest.asking import get, post


def floats(*values: float) -> tf.Tensor:
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize("values", [[2.0], [0.0, 1.0, 2.0, 3.0], [5.0]])
def test_its_input_is_resized_to_what_was_sent(target: str, values: list[float]) -> None:
    response = rpc.predict(target, "lite", {"x": floats(*values)})
    assert response.model_spec.signature_name == "serving_default"
    assert (response.model_spec.name, response.model_spec.version.value) == ("lite", 1)
    assert list(response.outputs["y"].float_val) == [value / 2 + 2 for value in values]


def test_it_is_available(target: str) -> None:
    assert available(target, "lite") == [1]


def test_its_signature_is_made_of_its_tensors(target: str) -> None:
    response = rpc.metadata(target, "lite")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    ((name, signature),) = signatures.signature_def.items()
    assert (name, signature.method_name) == ("serving_default", "tensorflow/serving/predict")
    ((alias, info),) = signature.inputs.items()
    assert (alias, info.name, info.dtype) == ("x", "x", 1)
    assert [dim.size for dim in info.tensor_shape.dim] == [1]
    assert list(signature.outputs) == ["y"]


def test_what_is_wrong_about_a_request_is_told_as_ever(target: str) -> None:
    words = "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."
    assert refusal(rpc.predict, target, "lite", {}) == ("INVALID_ARGUMENT", words)
    assert refusal(rpc.predict, target, "lite", {"x": floats(1)}, signature="other") == (
        "FAILED_PRECONDITION", 'Serving signature key "other" not found.',
    )  # fmt: skip
    words = "output tensor alias not found in signature: z Outputs expected to be in the set {y}."
    assert refusal(rpc.predict, target, "lite", {"x": floats(1)}, output_filter=["z"]) == ("INVALID_ARGUMENT", words)


def test_it_answers_over_rest(rest: str) -> None:
    rows = '{\n    "predictions": [2.5, 3.0\n    ]\n}'
    assert post(rest, "/v1/models/lite:predict", {"instances": [1.0, 2.0]}) == (200, rows)
    assert json.loads(get(rest, "/v1/models/lite")[1])["model_version_status"][0]["state"] == "AVAILABLE"
    metadata = json.loads(get(rest, "/v1/models/lite/metadata")[1])["metadata"]["signature_def"]["signature_def"]
    assert metadata["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_many_requests_do_not_mix(target: str) -> None:
    for number in range(20):
        given = np.arange(number, number + 1 + number % 3, dtype=np.float32)
        response = rpc.predict(target, "lite", {"x": given})
        assert list(response.outputs["y"].float_val) == (given / 2 + 2).tolist()
