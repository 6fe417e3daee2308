"""Cuts the bytes of a delimited text file into records, so that every line is either a record or refused.

CSV parsers stop at a broken line, skip it, or swallow what follows an unclosed quote. Here the whole text is looked at
with array operations first: which lines have the right number of fields, valid text and closed quotes. Only those go
to the parser; each other line keeps its number and its reason.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

NEWLINE, CARRIAGE_RETURN, QUOTE, NUL = 10, 13, 34, 0
MOST_RECORD_BYTES = 1 << 20
"""A quoted field that is still open after this many bytes counts as never closed."""
DECODED_BYTES = 1 << 16

BLANK = "blank line"
BROKEN_QUOTES = "quotes are broken"
LONE_RETURN = "carriage return inside a field without quotes"
NOT_TEXT = "text is not valid in its encoding"
HOLDS_NUL = "line holds a NUL byte"


def wrong_fields(expected: int, found: int) -> str:
    """The reason for a line with too few or too many fields."""
    return f"{expected} fields expected, {found} found"


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        delimiter: One byte.
        fields: Number of fields in each record; 0 takes every number.
        quoting: Whether a field may stand in double quotes, then holding delimiters, newlines and doubled quotes.
    """

    delimiter: bytes
    fields: int
    quoting: bool = True

    @cached_property
    def field(self) -> bytes:
        """Regular expression of one well-formed field; a quote inside an unquoted field is a plain character."""
        stop = re.escape(self.delimiter)
        plain = rb"[^" + stop + rb"\r\n]*+"
        if not self.quoting:
            return plain
        return rb'(?:"(?:[^"]++|"")*+"|(?!")' + plain + rb")"

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """A well-formed record with the right number of fields, through its newline."""
        return re.compile(self.field + self._more(rb"{%d}" % (self.fields - 1) if self.fields else rb"*+") + rb"\r?\n")

    @cached_property
    def any_record(self) -> re.Pattern[bytes]:
        """A well-formed record with any number of fields."""
        return re.compile(self.field + self._more(rb"*+") + rb"\r?\n")

    @cached_property
    def open_record(self) -> re.Pattern[bytes]:
        """A record whose last field's quote is still open where the text ends."""
        start = rb"(?:" + self.field + re.escape(self.delimiter) + rb")*"
        return re.compile(start + rb'"(?:[^"]++|"")*+"?\r?\Z')

    def _more(self, times: bytes) -> bytes:
        return rb"(?:" + re.escape(self.delimiter) + self.field + rb")" + times


@dataclass(frozen=True)
class Records:
    """The records of a piece of text, in order; `starts`, `ends` and `reasons` have one entry each.

    Attributes:
        text: The bytes that were looked at.
        starts: Where each record begins.
        ends: Where it ends, its newline included.
        reasons: Position of each refused record → why.
        consumed: How many bytes the records cover; what follows belongs to a record that is not whole yet.
    """

    text: bytes
    starts: Array
    ends: Array
    reasons: dict[int, str]
    consumed: int

    def __len__(self) -> int:
        """Number of records, refused ones included."""
        return len(self.starts)

    @cached_property
    def good(self) -> Array:
        """Positions of the records that were not refused, ascending."""
        mask = np.ones(len(self), dtype=bool)
        mask[list(self.reasons)] = False
        return np.flatnonzero(mask)

    def raw(self, position: int) -> str:
        """A record as it stood in the source, without its line end; bytes that are no text are escaped."""
        line = self.text[self.starts[position] : self.ends[position]]
        return line.decode("utf-8", errors="backslashreplace").rstrip("\r\n").replace("\0", "\\x00")

    def good_text(self) -> bytes:
        """The bytes of the good records, one after another."""
        if not self.reasons:
            return self.text[: self.consumed]
        good = self.good
        if not len(good):
            return b""
        breaks = np.flatnonzero(np.diff(good) > 1)
        firsts = good[np.concatenate(([0], breaks + 1))]
        lasts = good[np.concatenate((breaks, [len(good) - 1]))]
        view = memoryview(self.text)
        return b"".join(view[self.starts[first] : self.ends[last]] for first, last in zip(firsts, lasts, strict=True))


def split_lines(text: bytes) -> Records:
    """Cut text that ends with a newline into lines, refusing blank ones and those that are no valid text."""
    buffer = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(buffer == NEWLINE) + 1
    starts = np.concatenate(([0], ends))[: len(ends)]
    reasons: dict[int, str] = {}
    _refuse_unreadable(text, buffer, starts, ends, reasons)
    _refuse_blank(buffer, starts, ends, reasons)
    return Records(text, starts, ends, reasons, len(text))


def split_records(text: bytes, dialect: Dialect, final: bool) -> Records:
    """Cut delimited text that ends with a newline into records.

    Args:
        text: Whole lines; the last record may go on beyond them.
        dialect: How the file is written.
        final: Whether nothing follows, so that an open quote stays open.

    Returns:
        The records and refused lines. A record of several lines counts only when it is well-formed, has the right
        number of fields, and its first and last line are no rows by themselves; otherwise its first line alone is
        refused, and reading goes on with the next line, so that one stray quote cannot swallow good rows.
    """
    buffer = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(buffer == NEWLINE) + 1
    starts = np.concatenate(([0], ends))[: len(ends)]
    delimiters = np.flatnonzero(buffer == dialect.delimiter[0])
    found = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
    reasons: dict[int, str] = {}
    if dialect.fields:
        wrong = np.flatnonzero(found != dialect.fields)
        reasons = {int(line): wrong_fields(dialect.fields, int(found[line])) for line in wrong}
    inner, consumed = _read_special_lines(text, buffer, starts, ends, dialect, final, reasons)
    if len(inner) or consumed < len(text):
        starts, ends, reasons = _without(inner, consumed, starts, ends, reasons)
    _refuse_unreadable(text, buffer, starts, ends, reasons)
    _refuse_blank(buffer, starts, ends, reasons)
    return Records(text, starts, ends, reasons, consumed)


def _read_special_lines(
    text: bytes,
    buffer: Array,
    starts: Array,
    ends: Array,
    dialect: Dialect,
    final: bool,
    reasons: dict[int, str],
) -> tuple[Array, int]:
    """Settle the lines that hold quotes or lone carriage returns; returns lines inside records, and bytes consumed."""
    inner: list[int] = []
    free = 0
    line_ends = ends.copy()
    for line in _special_lines(text, buffer, line_ends, dialect).tolist():
        if line < free:
            continue
        start = int(starts[line])
        whole = dialect.record.match(text, start)
        last = int(np.searchsorted(line_ends, whole.end())) if whole else line
        if whole and not (last > line and _swallows(text, starts, line_ends, line, last, dialect)):
            reasons.pop(line, None)
            ends[line] = whole.end()
            inner.extend(range(line + 1, last + 1))
            free = last + 1
        elif (
            whole is None
            and not final
            and len(text) - start < MOST_RECORD_BYTES
            and dialect.open_record.match(text, start)
        ):
            return np.asarray(inner, dtype=np.int64), start
        else:
            reasons[line] = _why_broken(text, start, int(line_ends[line]), dialect)
    return np.asarray(inner, dtype=np.int64), len(text)


def _swallows(text: bytes, starts: Array, ends: Array, line: int, last: int, dialect: Dialect) -> bool:
    """Whether a record of several lines is rather a stray quote: its first and its last line are rows by themselves."""
    delimiters = text.count(dialect.delimiter, int(starts[line]), int(ends[line]))
    alone = dialect.record.fullmatch(text, int(starts[last]), int(ends[last]))
    return bool(dialect.fields > 1 and delimiters == dialect.fields - 1 and alone)


def _special_lines(text: bytes, buffer: Array, ends: Array, dialect: Dialect) -> Array:
    places = np.zeros(0, dtype=np.int64)
    if dialect.quoting and b'"' in text:
        places = np.flatnonzero(buffer == QUOTE)
    if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
        returns = np.flatnonzero(buffer == CARRIAGE_RETURN)
        places = np.concatenate((places, returns[buffer[returns + 1] != NEWLINE]))
    return np.unique(np.searchsorted(ends, places, side="right"))


def _why_broken(text: bytes, start: int, end: int, dialect: Dialect) -> str:
    line = dialect.any_record.fullmatch(text, start, end)
    if line is None:
        return BROKEN_QUOTES if dialect.quoting and b'"' in text[start:end] else LONE_RETURN
    fields = len(re.findall(dialect.field + rb"(?:" + re.escape(dialect.delimiter) + rb"|\r?\n)", text[start:end]))
    return wrong_fields(dialect.fields, fields)


def _without(
    inner: Array, consumed: int, starts: Array, ends: Array, reasons: dict[int, str]
) -> tuple[Array, Array, dict[int, str]]:
    """Leave out the lines inside other records and those beyond `consumed`, renumbering what remains."""
    keep = starts < consumed
    keep[inner] = False
    position = np.cumsum(keep) - 1
    return starts[keep], ends[keep], {int(position[line]): why for line, why in reasons.items() if keep[line]}


def _refuse_unreadable(text: bytes, buffer: Array, starts: Array, ends: Array, reasons: dict[int, str]) -> None:
    if len(ends) and not text.isascii():
        for line in _undecodable_lines(text, ends):
            reasons[line] = NOT_TEXT
    if b"\0" in text:
        lines = np.unique(np.searchsorted(ends, np.flatnonzero(buffer == NUL), side="right"))
        reasons.update({int(line): HOLDS_NUL for line in lines if line < len(ends)})


def _undecodable_lines(text: bytes, ends: Array) -> Iterator[int]:
    """The lines that are no UTF-8; decoded a piece at a time, which keeps the decoded text in the processor's cache."""
    view, offset, whole = memoryview(text), 0, int(ends[-1])
    while offset < whole:
        end = int(ends[min(len(ends) - 1, int(np.searchsorted(ends, offset + DECODED_BYTES)))])
        try:
            codecs.utf_8_decode(view[offset:end], "strict", True)
            offset = end
        except UnicodeDecodeError as error:
            line = int(np.searchsorted(ends, offset + error.start, side="right"))
            yield line
            offset = int(ends[line])


def _refuse_blank(buffer: Array, starts: Array, ends: Array, reasons: dict[int, str]) -> None:
    lengths = ends - starts
    for line in np.flatnonzero(lengths <= 2).tolist():
        if lengths[line] == 1 or buffer[starts[line]] == CARRIAGE_RETURN:
            reasons[line] = BLANK
