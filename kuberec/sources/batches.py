"""What every reader yields: batches of rows, all columns as text, and the rows that could not be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from kuberec.dataset import Column
from kuberec.errors import SourceError


@dataclass(frozen=True)
class Wanted:
    """A column to read.

    Attributes:
        name: Kuberec's name for it.
        column: The source's name or position.
        required: Whether the source must have it; an absent optional column is read as null.
        separator: What to put between the values of a list.
    """

    name: str
    column: Column
    required: bool = True
    separator: str = "|"


@dataclass(frozen=True)
class Refused:
    """A row for the quarantine: its number in the source from 1, why, and what it said."""

    row: int
    reason: str
    raw: str


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a source.

    Attributes:
        columns: One string column for each wanted one, under Kuberec's name; an empty text is "", null stands only for
            a column that the source does not have.
        rows: int64, each row's number in the source.
        raw: What the row at a position of `columns` said.
        refused: The rows that could not be read.
    """

    columns: pa.Table
    rows: pa.Array
    raw: Callable[[int], str]
    refused: list[Refused]


@dataclass(frozen=True)
class Job:
    """A batch still to be parsed; `load` may run on any thread.

    Attributes:
        load: Parses and returns the batch.
        rows: How many rows it covers, refused ones included.
        stored_bytes: How far the source files have been read.
    """

    load: Callable[[], Batch]
    rows: int
    stored_bytes: int


def resolve(wanted: Sequence[Wanted], names: Sequence[str], origin: str) -> list[int | None]:
    """The position of each wanted column among a source's names; None for an absent optional one.

    Raises:
        SourceError: A required column is absent or named twice.
    """
    positions = [_position(column.column, names) for column in wanted]
    missing = [
        column.column for column, found in zip(wanted, positions, strict=True) if column.required and found is None
    ]
    if missing:
        raise SourceError(
            f"{origin} has no column {_listed(missing)}; its columns are {_listed(names)}. Map the columns in the "
            "dataset.yaml (`columns:`), or set `delimiter` or `header` if these are not the columns of the file."
        )
    twice = [column.column for column in wanted if isinstance(column.column, str) and names.count(column.column) > 1]
    if twice:
        raise SourceError(
            f"{origin} names the column {_listed(twice)} more than once. Name columns by position (from 0)."
        )
    return positions


def _position(column: Column, names: Sequence[str]) -> int | None:
    if isinstance(column, int):
        return column if 0 <= column < len(names) else None
    return names.index(column) if column in names else None


def _listed(names: Sequence[Column]) -> str:
    shown = [repr(name) if len(str(name)) <= 80 else repr(str(name)[:80] + "…") for name in names[:30]]
    return ", ".join(shown) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
