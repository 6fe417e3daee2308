"""Quarantine: the rows a step refuses, each with its number, its reason and what it said."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kuberec.errors import DataError
from kuberec.schema import QUARANTINE_SCHEMA, RAW, REASON, ROW
from kuberec.sources.batches import Refused

QUARANTINE = "quarantine"
MOST_RAW = 10_000
"""A refused row's text is cut after this many characters."""


class Quarantine:
    """Takes refused rows in the order of their numbers and counts them by reason."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.reasons: Counter[str] = Counter()
        self._writer = writer

    def add(self, refused: Iterable[Refused]) -> None:
        """Write refused rows."""
        rows = sorted(refused, key=lambda row: row.row)
        if not rows:
            return
        self.reasons.update(row.reason for row in rows)
        columns = {
            ROW: [row.row for row in rows],
            REASON: [row.reason for row in rows],
            RAW: [row.raw[:MOST_RAW] for row in rows],
        }
        self._writer.write_table(pa.table(columns, schema=QUARANTINE_SCHEMA))


@contextmanager
def open_quarantine(folder: Path, table: str) -> Iterator[Quarantine]:
    """Write the quarantine of one table into an artifact folder, as `quarantine/<table>.parquet`."""
    path = folder / QUARANTINE / f"{table}.parquet"
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, QUARANTINE_SCHEMA) as writer:
        yield Quarantine(writer)


def balance(rows_in: int, rows_out: int, reasons: Mapping[str, int]) -> dict[str, int]:
    """The row counts of one table for the manifest.

    Raises:
        DataError: They do not balance, so a row was lost or doubled.
    """
    quarantined = sum(reasons.values())
    if rows_in != rows_out + quarantined:
        raise DataError(f"{rows_in} rows came in, {rows_out} went out and {quarantined} were refused: rows were lost.")
    return {"in": rows_in, "out": rows_out, "quarantined": quarantined}


def describe_reasons(reasons: Mapping[str, int], most: int = 5) -> str:
    """The commonest reasons with their counts, worst first: `timestamp is missing (12), …`."""
    worst = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{reason} ({count})" for reason, count in worst[:most])
    return shown + (f" and {len(worst) - most} more reasons" if len(worst) > most else "")
