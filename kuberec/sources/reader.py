"""Reads a source table, whatever its files hold, as batches of text columns."""

from collections.abc import Iterator, Sequence

from kuberec.dataset import FileFormat, Source
from kuberec.errors import SourceError
from kuberec.sources.batches import Job, Wanted
from kuberec.sources.columnar import read_parquet
from kuberec.sources.delimited import read_delimited
from kuberec.sources.files import SourceFile, find_files
from kuberec.sources.json_lines import read_json_lines


def read_source(source: Source, base: str, wanted: Sequence[Wanted]) -> tuple[Iterator[Job], int]:
    """Read a source table.

    Args:
        source: Its files and how they are written.
        base: Folder or URI that a relative path starts from.
        wanted: The columns to read.

    Returns:
        Jobs in the order of the files (sorted by path) and their rows, which are numbered from 1 through all files; and
        the stored size of the files in bytes.

    Raises:
        SourceError: A file is missing, empty, broken, or lacks a wanted column.
        ConfigError: The format or the encoding is not known.
    """
    files = find_files(source, base)
    return _jobs(files, source, wanted), sum(file.size for file in files)


def _jobs(files: Sequence[SourceFile], source: Source, wanted: Sequence[Wanted]) -> Iterator[Job]:
    rows = 0
    done = 0
    for file in files:
        for job in _file_jobs(file, source, wanted, rows + 1):
            rows += job.rows
            yield Job(job.load, job.rows, done + job.stored_bytes)
        done += file.size
    if not rows:
        names = ", ".join(file.path for file in files)
        raise SourceError(f"{names}: no rows, only a header or nothing. Check the export that wrote it.")


def _file_jobs(file: SourceFile, source: Source, wanted: Sequence[Wanted], first_row: int) -> Iterator[Job]:
    if file.format is FileFormat.PARQUET:
        return read_parquet(file, wanted, first_row)
    if file.format is FileFormat.JSONL:
        return read_json_lines(file, source, wanted, first_row)
    return read_delimited(file, source, wanted, first_row)
