"""Finds a dataset by name or by its `dataset.yaml`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kuberec.dataset import DatasetSpec, parse_dataset_spec
from kuberec.errors import ConfigError, SourceError
from kuberec.sources.files import open_filesystem
from kuberec.sources.movielens import MOVIELENS, open_movielens


@contextmanager
def open_dataset(source: str, location: str, cache_dir: Path | str | None) -> Iterator[tuple[DatasetSpec, str]]:
    """A dataset's specification, and the folder or URI that its relative paths start from.

    Args:
        source: Name of a built-in dataset, or path or URI of a `dataset.yaml`.
        location: Where a built-in dataset's files are; they are downloaded when empty.
        cache_dir: Where downloads are kept; the user's cache folder when absent.

    Raises:
        SourceError: It does not exist or cannot be reached.
        ConfigError: The `dataset.yaml` has a fault, or a location is given for one.
    """
    if source in MOVIELENS:
        with open_movielens(MOVIELENS[source], location, cache_dir) as opened:
            yield opened
        return
    if location:
        raise ConfigError(f"location={location!r} goes with {_names()} only; a dataset.yaml names its own paths.")
    filesystem, path = open_filesystem(str(source))
    try:
        text = filesystem.cat_file(path).decode("utf-8")
    except FileNotFoundError:
        raise SourceError(
            f"{source} does not exist. Name a dataset.yaml, or one of the built-in datasets {_names()}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{source} cannot be read as the text of a dataset.yaml: {error}.") from error
    yield parse_dataset_spec(text, str(source)), str(source).rpartition("/")[0] or "."


def _names() -> str:
    return ", ".join(sorted(MOVIELENS))
