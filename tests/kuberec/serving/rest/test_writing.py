from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kuberec.serving.rest.writing import decimal, document, predictions
from kuberec.serving.status import StatusError


def protos(**arrays: Any) -> dict[str, Any]:
    return {name: tf.make_tensor_proto(array) for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (protos(a=np.float32(1)), "Tensor name: a has no shape information $"),
        (protos(a=[1.0, 2.0], b=[1.0]), "Tensor name: b has inconsistent batch size: 1 expecting: 2"),
    ],
)
def test_by_row_every_output_is_a_batch_of_one_size(outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(StatusError, match=message):
        predictions(outputs, by_row=True)
    assert predictions(outputs, by_row=False).startswith('{\n    "outputs": ')


def test_an_empty_batch_is_an_empty_list() -> None:
    assert predictions(protos(a=np.zeros([0, 3], np.float32)), by_row=True) == '{\n    "predictions": []\n}'


def test_text_that_is_no_utf_8_goes_out_as_it_came_in() -> None:
    text = predictions(protos(a=np.array([b"\xff\xe9"], dtype=object)), by_row=True)
    assert text.encode(errors="surrogateescape") == b'{\n    "predictions": ["\xff\xe9"\n    ]\n}'


def test_bytes_in_a_row() -> None:
    text = predictions(protos(a_bytes=np.array([[b"x"]], dtype=object)), by_row=True)
    assert text == '{\n    "predictions": [[{\n                "b64": "eA=="\n            }]\n    ]\n}'


def test_a_type_without_a_json_form_is_refused() -> None:
    with pytest.raises(StatusError, match="Failed to write JSON value for tensor type: bfloat16"):
        predictions(protos(a=tf.constant([1.0], tf.bfloat16)), by_row=True)


def test_half_precision_is_written_as_a_number() -> None:
    assert predictions(protos(a=np.array([0.5], np.float16)), by_row=True) == '{\n    "predictions": [0.5\n    ]\n}'


@pytest.mark.parametrize("value", np.random.default_rng(7).lognormal(0, 40, 50).astype(np.float32))
def test_every_float_can_be_read_back(value: np.float32) -> None:
    assert np.float32(decimal(value)) == value


def test_nested_values_are_indented() -> None:
    value = {"a": [1, {"b": None}], "c": {}, "d": []}
    assert document(value) == (
        '{\n    "a": [\n        1,\n        {\n            "b": null\n        }\n    ],\n    "c": {},\n    "d": []\n}'
    )
