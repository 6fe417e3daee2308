"""Tables: the one way to open Ibis on DuckDB with bounded memory, and to read and write Parquet.

The expressions are Ibis, so that they run on another backend unchanged; only this module knows that DuckDB is below.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis

from kuberec.errors import ArtifactError

MEMORY_LIMIT = "2GB"
"""Half of what a step may use: Python, the libraries and DuckDB's untracked buffers need the rest."""


@contextmanager
def connect(memory_limit: str = MEMORY_LIMIT) -> Iterator[Any]:
    """Open an in-memory Ibis DuckDB backend that spills to a temporary folder; both are gone at the end.

    Args:
        memory_limit: What DuckDB may hold in memory before it spills, in its own notation (`512MB`, `2GB`).

    Yields:
        The Ibis backend.

    Raises:
        ArtifactError: Memory or a disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="kuberec-spill-") as spill:
        backend = ibis.duckdb.connect(
            memory_limit=memory_limit,
            temp_directory=spill,
            autoinstall_known_extensions=False,  # an extension would be fetched from the internet
        )
        try:
            backend.raw_sql("SET TimeZone = 'UTC'")  # casts between timestamps would otherwise use the machine's zone
            yield backend
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise ArtifactError(
                f"The table engine ran out of room ({_first_line(error)}). It may hold {memory_limit} in memory and "
                f"spills to {Path(spill).parent}: free disk there and at the output, or point TMPDIR to a larger disk."
            ) from error
        finally:
            backend.disconnect()


def read_parquet(backend: Any, path: Path) -> Any:
    """A Parquet file as an Ibis table, not loaded.

    Raises:
        ArtifactError: The file is missing or is no Parquet.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is missing. Run the step that writes this folder again.")
    try:
        return backend.read_parquet(str(path))
    except duckdb.Error as error:
        raise ArtifactError(f"{path} cannot be read as Parquet ({_first_line(error)}). Run its step again.") from error


def write_parquet(table: Any, path: Path, *, order_by: Sequence[Any]) -> None:
    """Write an Ibis table as one Parquet file; the same rows give the same bytes, whatever the threads and memory.

    Args:
        table: The Ibis table.
        path: The file to write.
        order_by: Columns that order the rows; rows that tie in all of them must be equal in every column,
            otherwise the bytes may differ between runs.
    """
    table.get_backend().to_parquet(table.order_by(list(order_by)), str(path))


def materialize(table: Any) -> Any:
    """Compute a table once, for expressions that read it several times; it spills to disk like any other."""
    return table.get_backend().create_table(ibis.util.gen_name("kuberec"), table, temp=True)


def unix_microseconds(timestamps: Any) -> Any:
    """A timestamp column (UTC) as int64 microseconds since 1970."""
    naive = timestamps.cast("timestamp")
    return naive.truncate("s").epoch_seconds().cast("int64") * 1_000_000 + naive.microsecond().cast("int64")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
