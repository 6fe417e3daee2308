"""Folders of this machine and of object stores, with the same methods: `Path`, and `UPath` for a URI."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from upath import UPath

from kuberec.errors import KuberecError, ServingError

Folder = Path | UPath


def open_folder(location: Path | str) -> Folder:
    """The folder that a path or URI names; it need not exist.

    Args:
        location: A path, `file:///…`, or a URI that fsspec has a filesystem for, such as `s3://bucket/folder`. Its
            credentials are read anew, and nothing that it holds is remembered.

    Raises:
        ServingError: Nothing here can reach such a storage.
    """
    text = str(location)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(unquote(urlsplit(text).path))
    try:
        folder = UPath(text, use_listings_cache=False, skip_instance_cache=True)
        _ = folder.fs  # made here, so that every path below shares it
    except (ImportError, ValueError) as error:
        raise ServingError(
            f"{text} cannot be reached: {error}. Name a folder, or install its package: pip install 'kuberec[s3]' for "
            "s3://."
        ) from error
    return folder


@contextmanager
def reaching(folder: Folder, hint: str) -> Iterator[None]:
    """Raise whatever a storage raises as a `ServingError`.

    Args:
        folder: What the block reads or writes.
        hint: What holds in spite of the error, or what to do.
    """
    try:
        yield
    except KuberecError:
        raise
    except Exception as error:  # each object store's client has a tree of errors of its own
        reason = str(error).rstrip(".") or type(error).__name__
        raise ServingError(f"{folder} cannot be used: {reason}. {hint}") from error
