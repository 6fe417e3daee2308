"""JSON requests as tensors and tf.Examples, with TF Serving's checks and words."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import input_pb2

from kuberec.serving.codec import FIELDS
from kuberec.serving.rest.writing import B64, document
from kuberec.serving.status import StatusError, describe, invalid_argument, unimplemented

INT32, INT64, UINT32, UINT64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1), (0, 2**32 - 1), (0, 2**64 - 1)
RANGES = {
    types_pb2.DT_INT8: INT32,
    types_pb2.DT_INT16: INT32,
    types_pb2.DT_INT32: INT32,
    types_pb2.DT_UINT8: INT32,
    types_pb2.DT_INT64: INT64,
    types_pb2.DT_UINT32: UINT32,
    types_pb2.DT_UINT64: UINT64,
}
# The greatest whole number that the type holds exactly, and the greatest number of all.
EXACT = {types_pb2.DT_FLOAT: (2**24 - 1, "float"), types_pb2.DT_DOUBLE: (2**53 - 1, "double")}
# Half of a pair that stands for one character: alone it is no text.
HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
DEPTH = 100
FLOAT_MAX = float(np.finfo(np.float32).max)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request; NaN and Infinity are numbers.

    Raises:
        StatusError: No JSON, or no object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        value = json.loads(body.decode())
        _check_depth(value, DEPTH)
        if HALF_CHARACTER.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (UnicodeError, RecursionError, ValueError) as error:
        raise invalid_argument(f"JSON Parse error: {error} at offset: 0") from error
    if not isinstance(value, dict):
        raise invalid_argument(f"JSON Value: {document(value)} Is not object")
    return value


def signature_name(request: Mapping[str, Any]) -> str:
    """The signature that a request names; empty for the default.

    Raises:
        StatusError: It is no text.
    """
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {document(request)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def predict_inputs(request: dict[str, Any], infos: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The tensors of a Predict request by input, and whether they came row by row.

    Args:
        request: The JSON object.
        infos: TensorInfo of each input of the signature.

    Raises:
        StatusError: Neither or both of `instances` and `inputs`, or a value does not fit.
    """
    if "instances" in request and "inputs" in request:
        raise _misformed(
            request, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in request:
        rows = request["instances"]
        if not isinstance(rows, list):
            raise _misformed(request, "Excepting 'instances' to be an list/array")
        if not rows:
            raise _misformed(request, "No values in 'instances' array")
        return _from_rows(rows, infos), True
    if "inputs" in request:
        return _from_columns(request["inputs"], infos), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def examples(request: dict[str, Any]) -> Any:
    """The Input of a Classify or Regress request: its `examples`, and its `context` where there is one.

    Raises:
        StatusError: No examples, or a feature that no tf.Example can hold.
    """
    context = _example(request["context"]) if "context" in request else None
    if "examples" not in request:
        raise _misformed(request, "When method is classify, key 'examples' is expected and was not found")
    given = request["examples"]
    if not isinstance(given, list):
        raise _misformed(request, "Expecting 'examples' value to be an list/array")
    if not given:
        raise _misformed(request, "'examples' value is an empty array")
    made = [_example(one) for one in given]
    if context is None:
        return input_pb2.Input(example_list={"examples": made})
    return input_pb2.Input(example_list_with_context={"examples": made, "context": context})


def _check_depth(value: Any, left: int) -> None:
    if not left:
        raise ValueError(f"Values are nested more than {DEPTH} levels deep")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(part, dict | list):
            _check_depth(part, left - 1)


def _from_rows(rows: list[Any], infos: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = _is_named(rows[0])
    columns: dict[str, list[Any]] = {}
    for number, row in enumerate(rows):
        if named and not _is_named(row):
            raise invalid_argument(f"Expecting object but got list at item {number} of input list")
        if not named and _is_named(row):
            raise invalid_argument(f"Expecting value/list but got object at item {number} of input list")
        for name, value in (row if named else {next(iter(infos)): row}).items():
            try:
                columns.setdefault(name, []).append(_like_the_first(columns.get(name), _tensor(value, name, infos)))
            except StatusError as error:
                key = f" key: {name}" if named else ""
                reason = describe(error.code.value[0], error.message)
                raise invalid_argument(
                    f"Failed to process element: {number}{key} of 'instances' list. Error: {reason}"
                ) from error
        if named and set(row) != set(infos):
            raise invalid_argument(
                f"Failed to process element: {number} of 'instances' list. JSON object: {document(row)} keys must be "
                f"equal to: {','.join(sorted(infos))}"
            )
    return {name: _stacked(tensors) for name, tensors in columns.items()}


def _from_columns(value: Any, infos: Mapping[str, Any]) -> dict[str, Any]:
    if not _is_named(value):
        if len(infos) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        value = {next(iter(infos)): value}
    for name in sorted(infos):
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(value[name], name, infos) for name in sorted(infos)}


def _tensor(value: Any, name: str, infos: Mapping[str, Any]) -> Any:
    if name not in infos:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    dtype = infos[name].dtype
    shape: list[int] = []
    part = value
    while isinstance(part, list):
        shape.append(len(part))
        part = part[0] if part else None
    values: list[Any] = []
    _collect(value, 0, shape, dtype, values)
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_shape={"dim": [{"size": size} for size in shape]})
    getattr(proto, FIELDS.get(dtype, "int_val")).extend(values)
    return proto


def _collect(value: Any, level: int, shape: list[int], dtype: int, values: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {document(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        values.append(_value(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for part in value:
        _collect(part, level + 1, shape, dtype, values)


def _value(value: Any, dtype: int) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, dict) and dtype == types_pb2.DT_STRING:
        return _decoded(value)
    if dtype in EXACT and number:
        return _floating(value, dtype)
    if dtype in RANGES and number and isinstance(value, int) and RANGES[dtype][0] <= value <= RANGES[dtype][1]:
        return value
    if dtype == types_pb2.DT_STRING and isinstance(value, str):
        return value.encode()
    if dtype == types_pb2.DT_BOOL and isinstance(value, bool):
        return value
    if isinstance(value, dict) or dtype in {*EXACT, *RANGES, types_pb2.DT_STRING, types_pb2.DT_BOOL}:
        raise invalid_argument(
            f"JSON Value: {document(value)} Type: {_kind(value)} is not of expected type: {_type_name(dtype)}"
        )
    raise unimplemented(f"Conversion of JSON Value: {document(value)} to type: {_type_name(dtype)}")


def _floating(value: float, dtype: int) -> float:
    limit, name = EXACT[dtype]
    exact = abs(value) <= limit if isinstance(value, int) else dtype == types_pb2.DT_DOUBLE or _fits_float(value)
    if not exact:
        raise invalid_argument(f"Cannot convert JSON value: {document(value)} to {name} without loss of precision.")
    return float(value)


def _fits_float(value: float) -> bool:
    return not np.isfinite(value) or abs(value) <= FLOAT_MAX


def _decoded(value: dict[str, Any]) -> bytes:
    if _is_named(value):
        raise invalid_argument(f"JSON Value: {document(value)} not formatted correctly for base64 data")
    text = re.sub(r"\s", "", value[B64]).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _like_the_first(before: list[Any] | None, tensor: Any) -> Any:
    if not before:
        return tensor
    first, shape = ([dim.size for dim in one.tensor_shape.dim] for one in (before[0], tensor))
    if prod(first) != prod(shape):
        raise invalid_argument(f"Expecting tensor size: {prod(first)} but got: {prod(shape)}")
    if first != shape:
        raise invalid_argument(f"Expecting shape {_shape_text(first)} but got: {_shape_text(shape)}")
    return tensor


def _stacked(tensors: list[Any]) -> Any:
    sizes = [len(tensors), *(dim.size for dim in tensors[0].tensor_shape.dim)]
    stacked = tensor_pb2.TensorProto(dtype=tensors[0].dtype, tensor_shape={"dim": [{"size": size} for size in sizes]})
    field = FIELDS.get(tensors[0].dtype, "int_val")
    for tensor in tensors:
        getattr(stacked, field).extend(getattr(tensor, field))
    return stacked


def _example(value: Any) -> Any:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {_kind(value)}")
    return tf.train.Example(features={"feature": {name: _feature(name, content) for name, content in value.items()}})


def _feature(name: str, content: Any) -> Any:
    feature = tf.train.Feature()
    for value in content if isinstance(content, list) else [content]:
        kind, converted = _feature_value(name, value)
        if feature.WhichOneof("kind") not in (None, kind):
            expected = str(feature.WhichOneof("kind")).removesuffix("_list")
            raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {expected}")
        getattr(feature, kind).value.append(converted)
    return feature


def _feature_value(name: str, value: Any) -> tuple[str, Any]:
    match value:
        case bool():
            return "int64_list", int(value)
        case int() if INT64[0] <= value <= INT64[1]:
            return "int64_list", value
        case int():
            raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
        case float():
            return "float_list", _floating(value, types_pb2.DT_FLOAT)
        case str():
            return "bytes_list", value.encode()
        case dict() if not _is_named(value):
            return "bytes_list", _decoded(value)
        case _:
            raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {_kind(value)}")


def _is_named(value: Any) -> bool:
    """Whether a value is an object of named inputs, and not one of base64 data."""
    return isinstance(value, dict) and not (list(value) == [B64] and isinstance(value[B64], str))


def _misformed(request: Any, words: str) -> StatusError:
    return invalid_argument(f"JSON Value: {document(request)} {words}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return kinds.get(type(value), "Null")


def _type_name(dtype: int) -> str:
    name = str(tf.dtypes.as_dtype(dtype).name)
    return {"float32": "float", "float64": "double", "float16": "half"}.get(name, name)


def _shape_text(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
