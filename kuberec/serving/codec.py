"""TensorProto ↔ NumPy, with the rules of TensorFlow's own parser.

Replies carry their values in the typed fields (`float_val`, `string_val`, …), as TF Serving's do, or where the server
is told so in `tensor_content`; requests may carry either.
"""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

Array = npt.NDArray[Any]

_STRING = types_pb2.DT_STRING
_HALVES = (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16)
FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_UINT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_BFLOAT16: "half_val",
}
MOST_BYTES = 2**31 - 1
"""Size of a tensor, at most: that of the largest message, though a short one can name any shape and repeat a value."""
# Packed float_val and double_val are raw little-endian bytes on the wire: key byte of the field, length, bytes.
_RAW_KEYS = {types_pb2.DT_FLOAT: b"\x2a", types_pb2.DT_DOUBLE: b"\x32"}


def decode(proto: Any) -> Array:
    """The array of a TensorProto; strings become an object array of bytes.

    Missing values repeat the last one given, none at all means zeros or empty strings, superfluous ones are ignored.

    Raises:
        ValueError: The type is unknown, the shape is not complete or too large, or the bytes do not fill it.
    """
    shape = _shape(proto)
    field = FIELDS.get(proto.dtype)
    if field is None:
        raise ValueError(f"tensors of type {proto.dtype} are not supported")
    dtype = tf.dtypes.as_dtype(proto.dtype).as_numpy_dtype
    if prod(shape) * np.dtype(dtype).itemsize > MOST_BYTES:
        raise ValueError(f"a tensor of {shape} is larger than {MOST_BYTES} bytes")
    if proto.dtype == _STRING:
        return _filled(np.array(list(proto.string_val), dtype=object), shape, b"")
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype=dtype).reshape(shape)
    if proto.dtype in _HALVES:
        return _filled(np.array(proto.half_val, dtype=np.uint16).view(dtype), shape, 0)
    return _filled(np.array(getattr(proto, field), dtype=dtype), shape, 0)


def encode(array: Array, dtype: int, *, as_content: bool = False) -> Any:
    """The TensorProto of an array, values in the typed field of `dtype`.

    Args:
        array: The values.
        dtype: Their DataType.
        as_content: Values in `tensor_content`; strings stay in their field, where Python's TensorFlow looks for them.
    """
    proto = tensor_pb2.TensorProto(dtype=dtype)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if as_content and dtype != _STRING:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    elif key := _RAW_KEYS.get(dtype):
        content = np.ascontiguousarray(array).tobytes()
        if content:
            proto.MergeFromString(key + _varint(len(content)) + content)
    elif dtype in _HALVES:
        proto.half_val.extend(array.view(np.uint16).ravel().tolist())
    elif field := FIELDS.get(dtype):
        getattr(proto, field).extend(array.ravel().tolist())
    else:
        proto = tf.make_tensor_proto(array)
    return proto


def _shape(proto: Any) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the shape is not complete")
    return shape


def _filled(values: Array, shape: tuple[int, ...], empty: Any) -> Array:
    count = prod(shape)
    if len(values) < count:
        last = values[-1] if len(values) else empty
        values = np.concatenate([values, np.full(count - len(values), last, dtype=values.dtype)])
    return values[:count].reshape(shape)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
