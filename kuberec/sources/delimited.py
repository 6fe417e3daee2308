"""Reads CSV and TSV: every line becomes a row or is refused with its reason."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
from pyarrow import csv as arrow_csv

from kuberec.dataset import FileFormat, Source
from kuberec.errors import ConfigError, SourceError
from kuberec.sources.batches import Batch, Job, Refused, Wanted, resolve
from kuberec.sources.files import SourceFile
from kuberec.sources.records import Dialect, Records, split_records

CHUNK_BYTES = 1 << 24
MOST_LINE_BYTES = 1 << 26
STAND_IN = b"\x1f"
"""Stands for a delimiter of several characters while a file is read."""
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_delimited(file: SourceFile, source: Source, wanted: Sequence[Wanted], first_row: int) -> Iterator[Job]:
    """The rows of one CSV or TSV file.

    Args:
        file: The file.
        source: How it is written.
        wanted: The columns to read.
        first_row: Number of the first row.

    Yields:
        Jobs in the order of the file.

    Raises:
        SourceError: The file cannot be read, or lacks a wanted column.
    """
    delimiter = (source.delimiter or ("\t" if file.format is FileFormat.TSV else ",")).encode()
    several = delimiter if len(delimiter) > 1 else None
    with file.open() as (stream, stored):
        blocks = text_blocks(stream, source.encoding, file.path)
        if several:
            blocks = ((text.replace(several, STAND_IN), final) for text, final in blocks)
        text, final = next(blocks, (b"\n", True))
        open_dialect = Dialect(STAND_IN if several else delimiter, 0, source.quoting)
        names, start = _column_names(text, open_dialect, source.header, final, file.path)
        positions = resolve(wanted, names, file.path)
        dialect = Dialect(open_dialect.delimiter, len(names), source.quoting)
        for records in _cut(text[start:], final, blocks, dialect):
            load = _Parse(records, dialect, several, wanted, positions, first_row)
            yield Job(load, len(records), stored.tell())
            first_row += len(records)


def text_blocks(stream: IO[bytes], encoding: str, origin: str) -> Iterator[tuple[bytes, bool]]:
    """The text as UTF-8 in blocks of whole lines, and whether the block is the last; trailing blank lines left out.

    Raises:
        SourceError: The encoding does not fit, or a line has no end.
        ConfigError: The encoding is unknown.
    """
    rest = b""
    for block in _decoded(stream, encoding, origin):
        text = rest + block
        lines = text.rstrip(b"\r\n")
        cut = text.find(b"\n", len(lines)) + 1 if len(lines) < len(text) else text.rfind(b"\n") + 1
        text, rest = text[:cut], text[cut:]
        if len(rest) > MOST_LINE_BYTES:
            raise SourceError(f"{origin}: a line is longer than {MOST_LINE_BYTES} bytes. Is it a text file?")
        if text.strip(b"\r\n"):
            yield text, False
        else:
            rest = text + rest
    rest = rest.rstrip(b"\r\n")
    yield (rest + b"\n" if rest else b""), True


def _decoded(stream: IO[bytes], encoding: str, origin: str) -> Iterator[bytes]:
    try:
        plain = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError:
        raise ConfigError(f"encoding: {encoding!r} is unknown; utf-8, latin-1 or cp1252 are usual.") from None
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    start = True
    while block := stream.read(CHUNK_BYTES):
        if start and plain and block[:2] in BYTE_ORDER_MARKS:
            raise SourceError(f"{origin} is UTF-16, {encoding} was expected. Set `encoding: utf-16`.")
        try:
            # Bytes that the encoding does not know become lone surrogates, which are no valid UTF-8 either.
            text = block if plain else decoder.decode(block).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise SourceError(f"{origin} is not {encoding}: {error}. Set its `encoding`.") from error
        yield text.removeprefix(codecs.BOM_UTF8) if start else text
        start = False


def _cut(text: bytes, final: bool, blocks: Iterator[tuple[bytes, bool]], dialect: Dialect) -> Iterator[Records]:
    while True:
        if text:
            records = split_records(text, dialect, final)
            if len(records):
                yield records
            text = text[records.consumed :]
        if final:
            return
        block, final = next(blocks)
        text += block
        if final and text and not text.endswith(b"\n"):
            text += b"\n"


def _column_names(text: bytes, dialect: Dialect, header: bool, final: bool, origin: str) -> tuple[list[str], int]:
    """The column names, and where the rows start; without a header the names are the positions."""
    records = split_records(text, dialect, final)
    good = records.good[:100].tolist()
    if not good:
        raise SourceError(f"{origin} has no readable line; delimited text was expected. Check its format and encoding.")
    rows = [_fields(records.raw(place), dialect) for place in (good[:1] if header else good)]
    if header:
        return rows[0], int(records.ends[good[0]])
    width = Counter(map(len, rows)).most_common(1)[0][0]
    return [str(position) for position in range(width)], 0


def _fields(record: str, dialect: Dialect) -> list[str]:
    delimiter = dialect.delimiter.decode()
    return next(csv.reader([record], delimiter=delimiter)) if dialect.quoting else record.split(delimiter)


@dataclass(frozen=True)
class _Parse:
    """Parses the good records of a piece of text."""

    records: Records
    dialect: Dialect
    several: bytes | None
    wanted: Sequence[Wanted]
    positions: Sequence[int | None]
    first_row: int

    def __call__(self) -> Batch:
        """The batch of these records."""
        good = self.records.good
        table = self._parse(self.records.good_text())
        if len(table) != len(good):
            raise SourceError(
                f"{len(good)} rows were expected after row {self.first_row}, the parser found {len(table)}."
            )
        refused = [
            Refused(self.first_row + place, reason, self._raw(place))
            for place, reason in sorted(self.records.reasons.items())
        ]
        return Batch(table, pa.array(good + self.first_row), lambda place: self._raw(int(good[place])), refused)

    def _parse(self, text: bytes) -> pa.Table:
        names = [str(position) for position in range(self.dialect.fields)]
        used = sorted({position for position in self.positions if position is not None})
        if not text:
            return pa.table({column.name: pa.array([], pa.string()) for column in self.wanted})
        read = arrow_csv.read_csv(
            pa.py_buffer(text),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.dialect.delimiter.decode(),
                quote_char='"' if self.dialect.quoting else False,
                newlines_in_values=self.dialect.quoting,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={names[position]: pa.string() for position in used},
                include_columns=[names[position] for position in used],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        absent = pa.nulls(len(read), pa.string())
        columns = [absent if position is None else read[names[position]] for position in self.positions]
        return pa.table(columns, names=[column.name for column in self.wanted])

    def _raw(self, place: int) -> str:
        raw = self.records.raw(place)
        return raw.replace(STAND_IN.decode(), self.several.decode()) if self.several else raw
