"""Fingerprints: what a step's result depends on besides its arguments, so that no stale result is ever reused."""

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import fsspec

from kuberec.dataset import parse_dataset_spec

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kuberec", "models", "components")
"""The packages whose code runs inside the steps."""
DATASET_SUFFIXES = (".yaml", ".yml")


def digest(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_fingerprint() -> str:
    """SHA-256 over the sources that run inside the steps and the versions of all installed packages."""
    files = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*") if _is_source(path))
    sources = [(str(path.relative_to(ROOT)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    versions = sorted({f"{found.name}=={found.version}" for found in distributions()})
    return digest([sources, versions])


def source_fingerprint(source: str, location: str = "") -> str:
    """SHA-256 over size and time of every file that a source consists of; "" where its name says it all.

    Args:
        source: A built-in dataset's name, or the path or URI of a `dataset.yaml`.
        location: Folder or URI that holds a built-in dataset's files.

    Raises:
        ConfigError: The `dataset.yaml` is none.
    """
    if source.endswith(DATASET_SUFFIXES):
        return digest([stamp for uri in _described(source) for stamp in _stamps(uri)])
    return digest(list(_stamps(location))) if location else ""


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _described(source: str) -> Iterator[str]:
    """The specification and the sources it names; `ingest` says what is wrong when one is missing."""
    yield source
    filesystem, path = fsspec.core.url_to_fs(source)
    if not filesystem.exists(path):
        return
    spec = parse_dataset_spec(filesystem.cat_file(path).decode("utf-8", errors="replace"), source)
    parent = source.rpartition("/")[0]
    for table in (spec.interactions, spec.users, spec.items):
        if table:
            yield _resolved(table.path, parent)


def _resolved(path: str, parent: str) -> str:
    return path if "://" in path or Path(path).is_absolute() or not parent else f"{parent}/{path}"


def _stamps(uri: str) -> list[tuple[str, str]]:
    """Name and fingerprint (size, time) of each file behind a path, glob, folder or URI; none where nothing is."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    names = {name for match in filesystem.glob(path) for name in filesystem.find(match)}
    return [(name, filesystem.ukey(name)) for name in sorted(names)]
