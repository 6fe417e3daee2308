"""Answers as JSON, laid out as TF Serving lays it out: four spaces, rows on one line."""

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from kuberec.serving.codec import decode
from kuberec.serving.status import invalid_argument

B64 = "b64"
BYTES_SUFFIX = "_bytes"
# Text that is no UTF-8 goes out as it came in.
RAW = "surrogateescape"


class Writer:
    """Writes JSON piece by piece; `one_line` may change between two pieces, as it does within TF Serving's rows."""

    def __init__(self) -> None:
        self.one_line = False
        self._text: list[str] = []
        self._counts: list[int] = []

    def text(self) -> str:
        """All that was written."""
        return "".join(self._text)

    def raw(self, token: str) -> None:
        """A finished token as the next element of a list."""
        self._text.append(self._separator() + token)

    @contextmanager
    def array(self) -> Iterator[None]:
        """A list; its elements are what is written inside."""
        self.raw("[")
        self._counts.append(0)
        yield
        written = self._counts.pop()
        self._text.append((self._line(len(self._counts)) if written and not self.one_line else "") + "]")

    def named(self, members: Iterable[str]) -> Iterator[str]:
        """An object; yields each key when its value is to be written."""
        self.raw("{")
        self._counts.append(0)
        for number, key in enumerate(members):
            comma = "," if number else ""
            self._text.append(f"{comma}{self._line(len(self._counts))}{json.dumps(key, ensure_ascii=False)}: ")
            self._counts[-1] = -1  # the value follows its key
            yield key
        written = self._counts.pop()
        self._text.append((self._line(len(self._counts)) if written else "") + "}")

    def _separator(self) -> str:
        if not self._counts or self._counts[-1] < 0:
            return ""
        self._counts[-1] += 1
        comma = "," if self._counts[-1] > 1 else ""
        if self.one_line:
            return f"{comma} " if comma else ""
        return comma + self._line(len(self._counts))

    def _line(self, depth: int) -> str:
        return "\n" + 4 * depth * " "


def predictions(outputs: Mapping[str, Any], *, by_row: bool) -> str:
    """The outputs of Predict: one entry for each row, or one list for each output.

    Raises:
        StatusError: By row, and the outputs are not batches of one size; or a type has no JSON form.
    """
    arrays = {name: decode(proto) for name, proto in sorted(outputs.items())}
    writer = Writer()
    for _ in writer.named(["predictions" if by_row else "outputs"]):
        if by_row:
            _write_rows(writer, arrays, _batch_size(arrays))
        else:
            _write_named(writer, arrays)
    return writer.text()


def classifications(result: Any) -> str:
    """The result of Classify: a list of label and score for each example."""
    writer = Writer()
    for _ in writer.named(["results"]):
        with writer.array():
            for given in result.classifications:
                writer.one_line = True
                with writer.array():
                    for one in given.classes:
                        with writer.array():
                            writer.raw(json.dumps(one.label, ensure_ascii=False))
                            writer.raw(decimal(np.float32(one.score)))
                writer.one_line = False
    return writer.text()


def regressions(result: Any) -> str:
    """The result of Regress: a value for each example."""
    writer = Writer()
    for _ in writer.named(["results"]):
        writer.one_line = True
        with writer.array():
            for regression in result.regressions:
                writer.raw(decimal(np.float32(regression.value)))
    return writer.text()


def document(value: Any) -> str:
    """Any JSON value, as it stands in an error message."""
    writer = Writer()
    _write_value(writer, value)
    return writer.text()


def decimal(value: np.floating[Any]) -> str:
    """A number with as many digits as give it back, at least one of them after the point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if type(value)(text) != value:
        text = f"{value:.17g}" if isinstance(value, np.float64) else f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _batch_size(arrays: Mapping[str, Any]) -> int:
    size = -1
    for name, array in arrays.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size not in (-1, len(array)):
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}")
        size = len(array)
    return size


def _write_rows(writer: Writer, arrays: Mapping[str, Any], size: int) -> None:
    with writer.array():
        for row in range(size):
            if len(arrays) > 1:
                for name in writer.named(arrays):
                    writer.one_line = True
                    _write_array(writer, arrays[name][row], name)
                    writer.one_line = False
            else:
                ((name, array),) = arrays.items()
                writer.one_line = True
                _write_array(writer, array[row], name)
                writer.one_line = False


def _write_named(writer: Writer, arrays: Mapping[str, Any]) -> None:
    if len(arrays) == 1:
        ((name, array),) = arrays.items()
        _write_array(writer, array, name)
        return
    for name in writer.named(arrays):
        _write_array(writer, arrays[name], name)


def _write_array(writer: Writer, array: Any, name: str) -> None:
    if isinstance(array, np.ndarray) and array.ndim:
        with writer.array():
            for part in array:
                _write_array(writer, part, name)
        return
    value = array.item() if isinstance(array, np.ndarray) and array.dtype == object else array
    if isinstance(value, bytes) and name.endswith(BYTES_SUFFIX):
        for _ in writer.named([B64]):
            writer.raw(json.dumps(base64.b64encode(value).decode()))
    else:
        writer.raw(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):
        return json.dumps(value.decode(errors=RAW), ensure_ascii=False)
    if value.dtype == np.bool_:
        return "true" if value else "false"
    if np.issubdtype(value.dtype, np.integer):
        return str(int(value))
    if value.dtype in (np.float32, np.float64):
        return decimal(value[()])
    if value.dtype == np.float16:
        return decimal(np.float32(value))
    raise invalid_argument(f"Failed to write JSON value for tensor type: {tf.dtypes.as_dtype(value.dtype).name}")


def _write_value(writer: Writer, value: Any) -> None:
    if isinstance(value, dict):
        for key in writer.named(value):
            _write_value(writer, value[key])
    elif isinstance(value, list):
        with writer.array():
            for part in value:
                _write_value(writer, part)
    elif isinstance(value, float):
        writer.raw(decimal(np.float64(value)))
    else:
        writer.raw(json.dumps(value, ensure_ascii=False))
