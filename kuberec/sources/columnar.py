"""Reads Parquet: typed columns become text, so that every format is judged by the same rules."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuberec.errors import SourceError
from kuberec.sources.batches import Batch, Job, Refused, Wanted, resolve
from kuberec.sources.files import SourceFile
from kuberec.sources.records import NOT_TEXT

BATCH_ROWS = 1 << 18
BATCH_BYTES = 1 << 25
"""How much of a file makes a batch at most; wide rows, such as those with embeddings, come in fewer at a time."""


def read_parquet(file: SourceFile, wanted: Sequence[Wanted], first_row: int) -> Iterator[Job]:
    """The rows of one Parquet file; arguments, yields and errors as `read_delimited`."""
    with file.open() as (stream, stored):
        try:
            parquet = pq.ParquetFile(stream)
            names = parquet.schema_arrow.names
            positions = resolve(wanted, names, file.path)
            used = sorted({names[position] for position in positions if position is not None})
            sources = [None if position is None else names[position] for position in positions]
            for batch in parquet.iter_batches(batch_size=_batch_rows(parquet.metadata), columns=used):
                if len(batch):
                    yield Job(_Parse(batch, wanted, sources, first_row, file.path), len(batch), stored.tell())
                first_row += len(batch)
        except pa.ArrowException as error:
            raise SourceError(f"{file.path} is no readable Parquet file: {error}. Write it again.") from error


def _batch_rows(metadata: pq.FileMetaData) -> int:
    stored = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES * metadata.num_rows / max(1, stored))))


@dataclass(frozen=True)
class _Parse:
    """Turns one batch of typed columns into text."""

    batch: pa.RecordBatch
    wanted: Sequence[Wanted]
    sources: Sequence[str | None]
    first_row: int
    origin: str

    def __call__(self) -> Batch:
        """The batch of these rows."""
        columns = [self._column(name, column) for name, column in zip(self.sources, self.wanted, strict=True)]
        readable = np.logical_and.reduce([_is_text(column) for column in columns])
        rows = np.arange(self.first_row, self.first_row + len(self.batch))
        table = pa.table(columns, names=[column.name for column in self.wanted]).filter(pa.array(readable))
        places = np.flatnonzero(readable)
        refused = [
            Refused(int(rows[place]), NOT_TEXT, self._raw(place)) for place in np.flatnonzero(~readable).tolist()
        ]
        return Batch(table, pa.array(rows[readable]), lambda place: self._raw(int(places[place])), refused)

    def _column(self, name: str | None, wanted: Wanted) -> pa.Array:
        if name is None:
            return pa.nulls(len(self.batch), pa.string())
        try:
            return pc.fill_null(as_text(self.batch.column(name), wanted.separator), "")
        except pa.ArrowException as error:
            kind = self.batch.column(name).type
            raise SourceError(
                f"{self.origin}: column {name!r} of type {kind} cannot be read as text: {error}."
            ) from error

    def _raw(self, place: int) -> str:
        row = {name: _shown(self.batch.column(name)[place]) for name in self.batch.schema.names}
        return json.dumps(row, ensure_ascii=False, default=str)


def as_text(column: pa.Array, separator: str) -> pa.Array:
    """A column of any plain type, or of lists of them, as strings; nulls stay null."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode(), separator)
    if pa.types.is_fixed_size_list(kind):
        return as_text(column.cast(pa.list_(kind.value_type)), separator)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        members = pc.fill_null(as_text(column.flatten(), separator), "")
        offsets = np.concatenate(([0], np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy())))
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), members)
        return pc.binary_join(lists, separator)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.binary()).view(pa.string())
    return column if pa.types.is_string(kind) else column.cast(pa.string())


def _is_text(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values are valid UTF-8."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return np.array([_decodes(value) for value in column.view(pa.binary()).to_pylist()])
    return np.ones(len(column), dtype=bool)


def _shown(value: pa.Scalar) -> Any:
    if isinstance(value, pa.StringScalar) and value.is_valid:
        return value.as_buffer().to_pybytes().decode("utf-8", errors="backslashreplace")
    return value.as_py()


def _decodes(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
