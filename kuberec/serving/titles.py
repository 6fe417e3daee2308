"""Titles of items: kept beside a version in `assets.extra/titles.parquet`, for people who read recommendations."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kuberec.errors import SourceError
from kuberec.features import TITLE, TITLES_FILE
from kuberec.schema import ITEM

EXTRA = "assets.extra"


def read_titles(path: Path) -> dict[str, str]:
    """Title by item id.

    Raises:
        SourceError: The file is absent, no Parquet, or lacks a column.
    """
    try:
        table = pq.read_table(path, columns=[ITEM, TITLE])
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist. Name a Parquet file with the columns {ITEM} and {TITLE}.") from None
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} is no Parquet file with the columns {ITEM} and {TITLE}: {error}") from error
    if missing := {ITEM, TITLE} - set(table.column_names):
        raise SourceError(
            f"{path} lacks the column {', '.join(sorted(missing))}; it has {table.column_names or 'none'}."
        )
    ids, titles = table[ITEM].cast(pa.string()).to_pylist(), table[TITLE].cast(pa.string()).to_pylist()
    return {item: title for item, title in zip(ids, titles, strict=True) if title}


def titles_of_version(repository: Path, model: str, version: int) -> dict[str, str]:
    """The titles that a version of a local repository brought along; none where it has none."""
    file = repository / model / str(version) / EXTRA / TITLES_FILE
    return read_titles(file) if file.is_file() else {}
