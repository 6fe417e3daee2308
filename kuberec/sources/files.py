"""Finds and opens source files: local paths, globs and fsspec URIs, compressed or not."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.compression import compr
from fsspec.utils import infer_compression

from kuberec.dataset import FileFormat, Source
from kuberec.errors import ConfigError, SourceError

SUFFIXES = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.TSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
}


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        filesystem: The fsspec filesystem that holds it.
        path: Its path there.
        format: What it holds.
        size: Its size in bytes, as stored.
    """

    filesystem: Any
    path: str
    format: FileFormat
    size: int

    @contextmanager
    def open(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Open the file.

        Yields:
            The decompressed bytes, and the stored ones (whose position tells the progress).

        Raises:
            SourceError: It cannot be read, or its compression is broken.
        """
        try:
            with self.filesystem.open(self.path, "rb") as stored:
                compression = infer_compression(self.path)
                yield (compr[compression](stored, mode="rb") if compression else stored), stored
        except (EOFError, zlib.error) as error:
            raise SourceError(f"{self.path}: the compressed file is broken or cut short ({error}).") from error
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error}.") from error


def find_files(source: Source, base: str) -> list[SourceFile]:
    """The files of a source, sorted by path.

    Args:
        source: The source; its path may be relative, absolute, a glob or a URI.
        base: Folder or URI that a relative path starts from.

    Raises:
        SourceError: Nothing is there, or a folder, or an empty file, or the filesystem is not available.
        ConfigError: The format is not given and the suffix does not tell.
    """
    location = join(base, source.path)
    filesystem, path = open_filesystem(location)
    try:
        paths = sorted(filesystem.glob(path)) if _is_glob(path) else [path]
        infos = [filesystem.info(found) for found in paths]
    except FileNotFoundError:
        raise SourceError(f"{location} does not exist. Check the path in the dataset.yaml.") from None
    except OSError as error:
        raise SourceError(f"{location} cannot be read: {error}.") from error
    if not paths:
        raise SourceError(f"{location} matches no file. Check the pattern in the dataset.yaml.")
    return [_source_file(source, filesystem, found, info) for found, info in zip(paths, infos, strict=True)]


def open_filesystem(location: str) -> tuple[Any, str]:
    """The fsspec filesystem of a path or URI, and the path within it.

    Raises:
        SourceError: The protocol is unknown, or its package is not installed.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise SourceError(f"{location} cannot be reached: {error}") from error
    return filesystem, path


def join(base: str, path: str) -> str:
    """A path as seen from a folder or URI; absolute paths and URIs stay as they are."""
    if "://" in path or path.startswith("/") or not base:
        return path
    return f"{base.rstrip('/')}/{path}"


def _source_file(source: Source, filesystem: Any, path: str, info: dict[str, Any]) -> SourceFile:
    if info["type"] == "directory":
        raise SourceError(f"{path} is a folder, a file was expected. Name its files, for example {path}/*.csv.")
    if info["size"] == 0:
        raise SourceError(f"{path} is empty. Check the export that wrote it.")
    return SourceFile(filesystem, path, source.format or _guess_format(path), int(info["size"]))


def _guess_format(path: str) -> FileFormat:
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes[-2:]]
    for suffix in reversed(suffixes):
        if suffix in SUFFIXES:
            return SUFFIXES[suffix]
    raise ConfigError(
        f"{path}: the suffix does not tell the format; one of {sorted(SUFFIXES)} was expected, also with .gz. "
        f"Set `format` to one of {[str(name) for name in FileFormat]}."
    )


def _is_glob(path: str) -> bool:
    return any(sign in path for sign in "*?[")
