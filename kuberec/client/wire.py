"""Protobuf's wire format: a message is a row of fields, each a number, a kind and a value.

Written out here because the protobuf package would be a fifth of the client's size on disk, and because its generated
messages may exist only once in a process: those of TensorFlow Serving's own package would be the second.
"""

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
UINT64 = 2**64
INT64_LIMIT = 2**63

Fields = dict[int, list[Any]]
"""The values of a message by field number, in their order: int for a varint, bytes for all else."""


def integer(field: int, value: int) -> bytes:
    """A field that holds an integer, a bool or an enum; a negative one takes ten bytes."""
    return _varint(field << 3 | VARINT) + _varint(value % UINT64)


def content(field: int, value: bytes) -> bytes:
    """A field that holds bytes, a text, a message or packed numbers."""
    return _varint(field << 3 | LENGTH) + _varint(len(value)) + value


def parse(message: bytes) -> Fields:
    """Take a message apart; fields that nobody asks for are kept like all others.

    Raises:
        ValueError: It is no message, or is cut short.
    """
    fields: Fields = {}
    position, end = 0, len(message)
    try:
        while position < end:
            # Read here where it takes one byte, as most keys and sizes do: a call for each would double the time.
            key, position = message[position], position + 1
            if key > 127:
                key, position = _read_varint(message, position - 1)
            kind, values = key & 7, fields.setdefault(key >> 3, [])
            if kind == VARINT:
                value, position = _read_varint(message, position)
                values.append(value)
                continue
            if kind == LENGTH:
                size, position = message[position], position + 1
                if size > 127:
                    size, position = _read_varint(message, position - 1)
            else:
                size = FIXED_SIZES[kind]
            values.append(message[position : position + size])
            position += size
    except (IndexError, KeyError):
        raise ValueError("it is no protobuf message") from None
    if position != end:
        raise ValueError("it is cut short")
    return fields


def chunks(fields: Fields, field: int) -> list[bytes]:
    """The values of a field that holds bytes, texts or messages.

    Raises:
        ValueError: It holds integers.
    """
    values = fields.get(field, [])
    if not set(map(type, values)) <= {bytes}:
        raise ValueError(f"field {field} holds integers")
    return values


def message(fields: Fields, field: int) -> Fields:
    """The message in a field, an empty one where there is none; of several parts one is made."""
    return parse(b"".join(chunks(fields, field)))


def number(fields: Fields, field: int) -> int:
    """The integer in a field, 0 where there is none.

    Raises:
        ValueError: It holds something else.
    """
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} holds no integer")
    return signed(value)


def text(fields: Fields, field: int) -> str:
    """The text in a field, an empty one where there is none."""
    return (chunks(fields, field) or [b""])[-1].decode()


def varints(packed: bytes) -> Iterator[int]:
    """The numbers of a packed field, all taken as not negative.

    Raises:
        ValueError: The last one is cut short.
    """
    position = 0
    try:
        while position < len(packed):
            value, position = _read_varint(packed, position)
            yield value
    except IndexError:
        raise ValueError("it is cut short") from None


def signed(value: int) -> int:
    """The number that a varint stands for where its field may be negative."""
    return value - UINT64 if value >= INT64_LIMIT else value


def _varint(value: int) -> bytes:
    if value < 128:
        return bytes((value,))
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = message[position]
    position += 1
    if value < 128:
        return value, position
    value &= 127
    shift = 7
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value % UINT64, position
        shift += 7
