"""Python's values ↔ TensorProto, without NumPy.

Numbers are sent as `tensor_content`; replies may hold their values in the typed fields (`float_val`, `string_val`, …)
or in `tensor_content`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from kuberec.client import wire

DTYPE, SHAPE, CONTENT, STRING_VALUES = 1, 2, 4, 8  # fields of TensorProto
DIM, SIZE = 2, 1  # of TensorShapeProto, and of its Dim
STRING = 7  # the dtype


@dataclass(frozen=True)
class _Number:
    """A type of number: how `struct` calls it, and the field of TensorProto that holds its values."""

    code: str
    field: int

    @property
    def size(self) -> int:
        return struct.calcsize(f"<{self.code}")


_NUMBERS = {
    1: _Number("f", 5),
    2: _Number("d", 6),
    3: _Number("i", 7),
    4: _Number("B", 7),
    5: _Number("h", 7),
    6: _Number("b", 7),
    9: _Number("q", 10),
    10: _Number("?", 11),
    17: _Number("H", 7),
    22: _Number("I", 16),
    23: _Number("Q", 17),
}
_FLOATS = (1, 2)
_DTYPES = {number.code: dtype for dtype, number in _NUMBERS.items()}
_OF_PYTHON = {bool: "?", int: "i", float: "f"}
# A long is as wide as the machine has it; its size says which of the others it is.
_LONGS = {("l", 4): "i", ("l", 8): "q", ("L", 4): "I", ("L", 8): "Q"}


def encode(value: Any) -> bytes:
    """The TensorProto of a value.

    Args:
        value: A str, bytes, bool, int (sent as int32) or float (as float32), or lists of them nested to equal lengths;
            or an array with a type of its own, such as NumPy's or `array.array`.

    Raises:
        ValueError: The lists are ragged, empty or mixed, or the type is none that is sent.
    """
    if _is_array(value):
        view = memoryview(value)
        code = _LONGS.get((view.format, view.itemsize), view.format)
        if code not in _DTYPES:
            raise ValueError(f"arrays of type {view.format!r} are not sent; give `.tolist()` of it, or another type")
        return _tensor(_DTYPES[code], view.shape or (), wire.content(CONTENT, view.tobytes()))
    shape, values = _flatten(value)
    if isinstance(values[0], str | bytes):
        return strings(values, shape)
    code = _code(values)
    try:
        packed = struct.pack(f"<{len(values)}{code}", *values)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{error}; an array with a type of its own is sent as it is") from error
    return _tensor(_DTYPES[code], shape, wire.content(CONTENT, packed))


def strings(values: Sequence[str | bytes], shape: Sequence[int]) -> bytes:
    """The TensorProto of texts, given one after the other."""
    texts = (text.encode() if isinstance(text, str) else text for text in values)
    return _tensor(STRING, shape, b"".join(wire.content(STRING_VALUES, text) for text in texts))


def decode(tensor: bytes) -> Any:
    """The value of a TensorProto: nested lists, or a bare value for a scalar; strings are bytes.

    Raises:
        ValueError: It is no TensorProto, of a type that is not read, or its values do not fill its shape.
    """
    fields = wire.parse(tensor)
    shape, dtype = _shape(wire.message(fields, SHAPE)), wire.number(fields, DTYPE)
    if dtype == STRING:
        values: list[Any] = wire.chunks(fields, STRING_VALUES)
    elif dtype in _NUMBERS:
        values = _numbers(fields, dtype)
    else:
        raise ValueError(f"tensors of type {dtype} are not read; leave the output out")
    # TensorProto may leave out values that repeat; model servers send every one.
    if len(values) != prod(shape):
        raise ValueError(f"a tensor of shape {shape} holds {len(values)} values")
    return _nest(values, shape)


def _is_array(value: Any) -> bool:
    if isinstance(value, str | bytes | bool | int | float | list | tuple):
        return False
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _flatten(value: Any) -> tuple[list[int], list[Any]]:
    """The shape of nested lists, and their values one after the other."""
    shape, values = [], [value]
    while isinstance(values[0], list | tuple):
        length = len(values[0])
        if any(not isinstance(row, list | tuple) or len(row) != length for row in values):
            raise ValueError("lists of different lengths make no tensor; fill them up to equal lengths")
        if not length:
            raise ValueError("an empty list has no type; leave the input out, or give an array of its type")
        shape.append(length)
        values = [element for row in values for element in row]
    kinds = {type(element).__name__ for element in values}
    if len(kinds) > 1:
        raise ValueError(f"values of one type are expected, got {', '.join(sorted(kinds))}")
    return shape, values


def _code(values: Sequence[Any]) -> str:
    for kind, code in _OF_PYTHON.items():
        if isinstance(values[0], kind):
            return code
    raise ValueError(
        f"str, bytes, bool, int, float, lists of them or an array are sent, got {type(values[0]).__name__}"
    )


def _tensor(dtype: int, shape: Sequence[int], values: bytes) -> bytes:
    dims = b"".join(wire.content(DIM, wire.integer(SIZE, size)) for size in shape)
    return wire.integer(DTYPE, dtype) + wire.content(SHAPE, dims) + values


def _shape(fields: wire.Fields) -> list[int]:
    shape = [wire.number(wire.parse(dim), SIZE) for dim in wire.chunks(fields, DIM)]
    if any(size < 0 for size in shape):
        raise ValueError(f"the shape {shape} is not complete")
    return shape


def _numbers(fields: wire.Fields, dtype: int) -> list[Any]:
    number = _NUMBERS[dtype]
    if CONTENT in fields:
        return _unpack(wire.chunks(fields, CONTENT)[-1], number)
    if dtype in _FLOATS:
        return _unpack(b"".join(wire.chunks(fields, number.field)), number)
    # Packed into one field as a rule; a field of its own for each number is as valid.
    given = fields.get(number.field, [])
    values = [v for part in given for v in (wire.varints(part) if isinstance(part, bytes) else [part])]
    if number.code == "?":
        return [bool(value) for value in values]
    return values if number.code.isupper() else [wire.signed(value) for value in values]


def _unpack(packed: bytes, number: _Number) -> list[Any]:
    if len(packed) % number.size:
        raise ValueError("the last number is cut short")
    return list(struct.unpack(f"<{len(packed) // number.size}{number.code}", packed))


def _nest(values: list[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return values[0]
    if len(shape) == 1:
        return values
    size = prod(shape[1:])
    return [_nest(values[row * size : (row + 1) * size], shape[1:]) for row in range(shape[0])]
