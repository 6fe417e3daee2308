"""Fingerprints: what a step's result depends on besides its arguments, so that no stale result is ever reused."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from kuberec.dataset import parse_dataset_spec
from kuberec.sources.files import join, open_filesystem
from kuberec.sources.movielens import MOVIELENS

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds the packages."""


def digest(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_fingerprint(packages: Sequence[str]) -> str:
    """SHA-256 over the sources of packages beside the library and the versions of everything installed."""
    files = sorted(path for name in packages for path in (ROOT / name).rglob("*") if _is_source(path))
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
        SourceError: A protocol is unknown.
    """
    if source not in MOVIELENS:
        return digest([stamp for uri in _described(source) for stamp in _stamps(uri)])
    return digest(_stamps(location)) if location else ""


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _described(source: str) -> Iterator[str]:
    """The specification and the sources that it names; where one is missing, `ingest` says so."""
    yield source
    filesystem, path = open_filesystem(source)
    if not filesystem.isfile(path):
        return
    spec = parse_dataset_spec(filesystem.cat_file(path).decode("utf-8", errors="replace"), source)
    for table in (spec.interactions, spec.users, spec.items):
        if table:
            yield join(source.rpartition("/")[0], table.path)


def _stamps(uri: str) -> list[tuple[str, str]]:
    """Name and fingerprint (size, time) of each file behind a path, glob, folder or URI; none where nothing is."""
    filesystem, path = open_filesystem(uri)
    names = {name for match in filesystem.glob(path) for name in filesystem.find(match)}
    return [(name, filesystem.ukey(name)) for name in sorted(names)]
