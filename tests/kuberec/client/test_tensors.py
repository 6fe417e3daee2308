"""Tensors and messages beside TensorFlow's own: what one writes, the other reads."""

from array import array
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2, predict_pb2

from kuberec.client import questions, tensors, wire
from kuberec.client.answers import Answer
from kuberec.errors import ServingError
from kuberec.serving.codec import encode

NUMBERS = [
    np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.bool_,
]  # fmt: skip
SHAPES = [(), (0,), (1,), (2, 3), (2, 0), (3, 2, 2), (300, 2)]


def extremes(dtype: Any, shape: tuple[int, ...]) -> Any:
    """Values over the whole range of a type."""
    if dtype is np.bool_:
        return np.arange(np.prod(shape)).reshape(shape) % 2 == 0
    limits = np.finfo(dtype) if np.issubdtype(dtype, np.floating) else np.iinfo(dtype)
    values = np.array([limits.max, limits.min, 0, 1, 7], dtype)
    return np.resize(values, shape)


def tensorflow_reads(tensor: bytes) -> Any:
    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(tensor))


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_arrive_as_they_are(dtype: Any, shape: tuple[int, ...]) -> None:
    values = extremes(dtype, shape)
    received = tensorflow_reads(tensors.encode(values))
    assert received.dtype == values.dtype
    np.testing.assert_array_equal(received, values, strict=True)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_typed_fields_and_raw_bytes_are_read_alike(dtype: Any, shape: tuple[int, ...]) -> None:
    values = extremes(dtype, shape)
    typed = encode(values, tf.as_dtype(dtype).as_datatype_enum)
    raw = tf.make_tensor_proto(values)
    for proto in (typed, raw):
        assert tensors.decode(proto.SerializeToString()) == values.tolist()


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_width_of_array_is_known(dtype: Any) -> None:
    values = array(np.dtype(dtype).char if dtype is not np.bool_ else "b", [1, 0, 1])
    assert tensorflow_reads(tensors.encode(values)).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (3, "int32"), (-1.5, "float32"), (True, "bool"), ([1, 2], "int32"), ([[1.0], [2.0]], "float32"),
        (((True,), (False,)), "bool"), ([[[1, -(2**31)]]], "int32"),
    ],
)  # fmt: skip
def test_python_values_get_tensorflows_types(value: Any, dtype: str) -> None:
    received = tensorflow_reads(tensors.encode(value))
    assert (received.dtype.name, received.tolist()) == (dtype, np.array(value).tolist())


@settings(deadline=None)
@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1))
def test_texts_of_any_kind_come_through(texts: list[list[str]]) -> None:
    sent = tensors.encode(texts)
    expected = [[text.encode() for text in row] for row in texts]
    assert tensorflow_reads(sent).tolist() == expected
    assert tensors.decode(sent) == expected
    assert tensors.decode(tf.make_tensor_proto(texts).SerializeToString()) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1], [1, 2]], "different lengths"),
        ([[1], 2], "different lengths"),
        ([1, [2]], "values of one type are expected, got int, list"),
        ([], "an empty list has no type"),
        ([[], []], "an empty list has no type"),
        ([1, 2.0], "values of one type are expected, got float, int"),
        (["a", b"b"], "values of one type are expected, got bytes, str"),
        (2**31, "an array with a type of its own"),
        (1e300, "an array with a type of its own"),
        (None, "got NoneType"),
        ({"a": 1}, "got dict"),
        (np.array(["text"]), "give `.tolist\\(\\)` of it"),
        (np.array([1j]), "give `.tolist\\(\\)` of it"),
    ],
)
def test_what_cannot_be_sent_is_told(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tensors.encode(value)


@pytest.mark.parametrize("values", [[], [5], [1, 2, 3, 4]])
def test_values_that_do_not_fill_the_shape_are_told(values: list[int]) -> None:
    for field, dtype in (("float_val", 1), ("int64_val", 9)):
        proto = tensor_pb2.TensorProto(dtype=dtype, tensor_shape={"dim": [{"size": 3}]}, **{field: values})
        with pytest.raises(ValueError, match=rf"shape \[3\] holds {len(values)} values"):
            tensors.decode(proto.SerializeToString())


def test_numbers_with_a_field_of_their_own_each_are_read() -> None:
    shape = wire.content(2, wire.content(2, wire.integer(1, 2)))
    unpacked = wire.integer(1, types_pb2.DT_INT32) + shape + wire.integer(7, -1) + wire.integer(7, 300)
    assert tensor_pb2.TensorProto.FromString(unpacked).int_val == [-1, 300]
    assert tensors.decode(unpacked) == [-1, 300]


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (tensor_pb2.TensorProto(dtype=types_pb2.DT_VARIANT), "type 21 are not read"),
        (tensor_pb2.TensorProto(dtype=1, tensor_shape={"dim": [{"size": -1}]}), r"\[-1\] is not complete"),
        (tensor_pb2.TensorProto(dtype=1, tensor_content=b"12345"), "cut short"),
    ],
)
def test_tensors_that_cannot_be_read_are_told(proto: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tensors.decode(proto.SerializeToString())


NAMES = st.text(max_size=200)
VERSIONS = st.none() | NAMES | st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None)
@given(model=NAMES, signature=NAMES, version=VERSIONS, inputs=st.dictionaries(NAMES, NAMES), outputs=st.lists(NAMES))
def test_a_request_is_tensorflow_servings(
    model: str, signature: str, version: int | str | None, inputs: dict[str, str], outputs: list[str]
) -> None:
    question = questions.predict(model, inputs, signature, outputs, version)
    expected = predict_pb2.PredictRequest(output_filter=outputs)
    expected.model_spec.CopyFrom(spec(model, signature, version))
    for name, value in inputs.items():
        expected.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    assert predict_pb2.PredictRequest.FromString(question.request) == expected


@settings(deadline=None)
@given(model=NAMES, version=st.none() | st.integers(-(2**63), 2**63 - 1))
def test_a_question_for_the_status_is_tensorflow_servings(model: str, version: int | None) -> None:
    request = get_model_status_pb2.GetModelStatusRequest.FromString(questions.status(model, version).request)
    assert request.model_spec == spec(model, "", version)


def spec(model: str, signature: str, version: int | str | None) -> model_pb2.ModelSpec:
    expected = model_pb2.ModelSpec(name=model, signature_name=signature)
    if isinstance(version, str):
        expected.version_label = version
    elif version is not None:
        expected.version.value = version
    return expected


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.lists(st.tuples(st.text(min_size=1), st.floats(width=32)), max_size=20))
def test_an_answer_is_read_without_its_padding(version: int, items: list[tuple[str, float]]) -> None:
    response = predict_pb2.PredictResponse()
    response.model_spec.version.value = version
    ids, scores = [*(item for item, _ in items), "", ""], [*(score for _, score in items), -np.inf, -np.inf]
    response.outputs["item_ids"].CopyFrom(tf.make_tensor_proto([ids]))
    response.outputs["scores"].CopyFrom(tf.make_tensor_proto([scores], tf.float32))
    (answer,) = read_answers(response.SerializeToString())
    assert answer.item_ids == [item for item, _ in items]
    np.testing.assert_array_equal(answer.scores, [score for _, score in items])
    assert answer.version == version


def test_every_state_has_its_name() -> None:
    state = get_model_status_pb2.ModelVersionStatus.State
    for number, name in state.DESCRIPTOR.values_by_number.items():
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=3, state=number, status={"error_code": 5, "error_message": "Why"})
        (status,) = questions.status("m", None).answer(response.SerializeToString())
        assert (status.version, status.state, status.error) == (3, name.name, "Why")


@pytest.mark.parametrize(
    ("item_ids", "scores", "words"),
    [
        (None, [[1.0]], "output item_ids with a list of bytes for each of 1 users"),
        ([["i1"]], None, "output scores with a list of float"),
        (["i1"], [[1.0]], "output item_ids"),
        ([["i1"]], 1.0, "output scores"),
        ([[1]], [[1.0]], "output item_ids"),
        ([["i1"]], [[1]], "output scores"),
        ([["i1"], ["i2"]], [[1.0]], "output item_ids"),
        ([["i1"]], [[1.0, 2.0]], "1 items and 2 scores for a user"),
    ],
)
def test_an_answer_of_another_shape_is_told(item_ids: Any, scores: Any, words: str) -> None:
    response = predict_pb2.PredictResponse()
    for name, value in (("item_ids", item_ids), ("scores", scores)):
        if value is not None:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    with pytest.raises(ServingError, match=f"The answer of model 'm' cannot be read: .*{words}"):
        read_answers(response.SerializeToString())


def read_answers(reply: bytes) -> list[Answer]:
    return questions.recommend("m", ["u"], 1, None).answer(reply)


REPLY = predict_pb2.PredictResponse()
REPLY.model_spec.version.value = 7
REPLY.outputs["item_ids"].CopyFrom(tf.make_tensor_proto([["i1", "i2"]]))
REPLY.outputs["scores"].CopyFrom(encode(np.array([[2.0, 1.0]], np.float32), types_pb2.DT_FLOAT))


@settings(max_examples=2000, deadline=None)
@given(
    st.binary(max_size=64) | st.tuples(st.integers(0, 60), st.binary(max_size=4)).map(lambda change: damaged(*change))
)
def test_a_damaged_reply_is_read_or_told_and_nothing_else(reply: bytes) -> None:
    for question in (questions.recommend("m", ["u"], 1, None), questions.status("m", None)):
        try:
            question.answer(reply)
        except ServingError as error:
            assert "cannot be read" in str(error)


def damaged(position: int, replacement: bytes) -> bytes:
    whole: bytes = REPLY.SerializeToString()
    return whole[:position] + replacement + whole[position + len(replacement) :]


@pytest.mark.parametrize("end", range(REPLY.ByteSize()))
def test_a_reply_that_is_cut_short_is_told_or_lacks_its_version_only(end: int) -> None:
    try:
        answers = read_answers(REPLY.SerializeToString()[:end])
    except ServingError:
        return
    assert answers == [Answer(["i1", "i2"], [2.0, 1.0], 0)]
