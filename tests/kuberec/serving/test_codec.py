from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from kuberec.serving.codec import decode, encode

TYPES = [
    np.float16, tf.bfloat16.as_numpy_dtype, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64,
    np.uint8, np.uint16, np.uint32, np.uint64, np.bool_,
]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (300, 2)])
def test_encoded_numbers_read_back_with_tensorflow(dtype: type, shape: tuple[int, ...]) -> None:
    values: Any = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    proto = encode(values, tf.as_dtype(dtype).as_datatype_enum)
    read = tf.make_ndarray(type(proto).FromString(proto.SerializeToString()))
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_numbers_encoded_as_content_read_back_with_tensorflow(dtype: type, shape: tuple[int, ...]) -> None:
    values: Any = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    proto = encode(values.T, tf.as_dtype(dtype).as_datatype_enum, as_content=True)
    assert [field.name for field, _ in proto.ListFields() if field.name.endswith("_val")] == []
    read = tf.make_ndarray(proto)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values.T)


def test_strings_stay_in_their_field() -> None:
    proto = encode(np.array([b"a"], object), tf.string.as_datatype_enum, as_content=True)
    assert (list(proto.string_val), proto.tensor_content) == ([b"a"], b"")


@pytest.mark.parametrize("dtype", TYPES)
def test_what_tensorflow_encodes_is_decoded(dtype: type) -> None:
    values: Any = np.arange(6).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(decode(tf.make_tensor_proto(values)), values)


def test_strings_keep_every_byte() -> None:
    values = np.array([[b"", b"a\0b\0"], ["bjørn\n".encode(), b"\xff"]], dtype=object)
    proto = encode(values, tf.string.as_datatype_enum)
    assert tf.make_ndarray(proto).tolist() == values.tolist()
    assert decode(proto).tolist() == values.tolist()


def test_negative_integers_survive() -> None:
    values = np.array([-1, -(2**31), 2**31 - 1], np.int32)
    np.testing.assert_array_equal(tf.make_ndarray(encode(values, tf.int32.as_datatype_enum)), values)


@pytest.mark.parametrize(
    ("given", "expected"), [([], [0, 0, 0]), ([7], [7, 7, 7]), ([7, 8], [7, 8, 8]), ([1, 2, 3, 4], [1, 2, 3])]
)
def test_too_few_values_repeat_the_last_and_too_many_are_ignored(given: list[int], expected: list[int]) -> None:
    proto = tensor_pb2.TensorProto(dtype=1, float_val=given, tensor_shape={"dim": [{"size": 3}]})
    assert decode(proto).tolist() == expected


def test_types_without_a_numeric_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="not supported"):
        decode(tensor_pb2.TensorProto(dtype=20))


@pytest.mark.parametrize("shape", [(2**31,), (2**40, 2**40), (3, 2**30)])
def test_a_short_message_cannot_ask_for_more_than_a_message_holds(shape: tuple[int, ...]) -> None:
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0])
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    with pytest.raises(ValueError, match="larger than 2147483647 bytes"):
        decode(proto)
