"""Artifacts: folders that appear whole or not at all, each with a `manifest.json` that says what it holds.

A step writes into a temporary folder beside its target; the folder gets its manifest and is then renamed into place,
so a killed step leaves nothing that looks finished, and a step that runs again replaces its output.
"""

import errno
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuberec.errors import ArtifactError

if TYPE_CHECKING:
    from kuberec.storage import Folder

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
PACKAGES = ("kuberec", "tensorflow", "keras", "duckdb", "numpy", "pm-implicit")
CHUNK = 1 << 20


@dataclass
class Manifest:
    """What an artifact folder holds.

    Attributes:
        kind: The artifact's kind, the noun its step produces (`dataset`, `split`, `model`, …).
        rows: Row counts by table; a step's balance is `rows["in"] == rows["out"] + rows["quarantined"]` per table.
        parents: Content hash of each input artifact, by name.
        seed: The seed of whatever was random, else None.
        facts: Small facts of the kind, JSON types only.
        files: SHA-256 of each data file, by path relative to the folder.
        content_hash: SHA-256 over `files`; two artifacts with the same hash hold the same data.
        packages: Versions of the packages that shaped the content.
        schema_version: Version of this manifest's own form.
    """

    kind: str
    rows: dict[str, Any] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    content_hash: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    schema_version: int = MANIFEST_VERSION


def file_hash(path: "Folder") -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_hash(files: Mapping[str, str]) -> str:
    """SHA-256 over the sorted (path, file hash) pairs of a folder."""
    lines = [f"{name}\0{digest}\n" for name, digest in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: sorted keys, two spaces, a final newline; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_artifact(
    target: Path | str,
    kind: str,
    *,
    parents: Mapping[str, Path] | None = None,
    seed: int | None = None,
    unhashed: Sequence[str] = (),
) -> Iterator[tuple[Path, Manifest]]:
    """Write an artifact folder atomically.

    Args:
        target: Where the folder shall stand; an earlier one there is replaced.
        kind: The artifact's kind.
        parents: Input artifacts by name; their content hashes are recorded.
        seed: The seed to record.
        unhashed: Names of top-level files or folders that are no data (logs, reports with times) and are left
            out of the hashes.

    Yields:
        The temporary folder to write into, and the manifest to fill with `rows` and `facts`.

    Raises:
        ArtifactError: A parent has no manifest, a file or a folder that is no artifact stands where the folder shall,
            or the disk is full.
    """
    target = Path(target)
    if target.is_file():
        raise ArtifactError(f"{target} is a file; a folder is to be written there. Remove it, or name another output.")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).exists():
        raise ArtifactError(
            f"{target} holds files that no step wrote, and would be replaced. Empty it, or name another output."
        )
    manifest = Manifest(kind=kind, seed=seed, packages=_package_versions())
    manifest.parents = {name: read_manifest(path).content_hash for name, path in (parents or {}).items()}
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        yield temporary, manifest
        manifest.files = _hash_files(temporary, unhashed)
        manifest.content_hash = content_hash(manifest.files)
        write_json(temporary / MANIFEST, manifest.__dict__)
        _replace_folder(temporary, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ArtifactError(f"{target} cannot be written: the disk is full. Free space and run again.") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(folder: "Folder | str") -> Manifest:
    """Read an artifact's manifest.

    Raises:
        ArtifactError: The folder is no finished artifact.
    """
    path = _opened(folder) / MANIFEST
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(
            f"{folder} is no finished artifact: it has no {MANIFEST}. Run the step that writes it, or name its output."
        ) from None
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}). Delete the folder and run its step again.") from error


def verify_artifact(folder: "Folder | str") -> Manifest:
    """Read a manifest and check every hashed file against it.

    Raises:
        ArtifactError: A file is missing or was changed after it was written.
    """
    manifest = read_manifest(folder)
    for name, digest in manifest.files.items():
        try:
            found = file_hash(_opened(folder) / name)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ArtifactError(
                f"{folder}: the file {name} is missing. Run the step that writes this folder again."
            ) from None
        if found != digest:
            raise ArtifactError(f"{folder}: the file {name} was changed after it was written. Run its step again.")
    if content_hash(manifest.files) != manifest.content_hash:
        raise ArtifactError(f"{folder}: {MANIFEST} was changed after it was written. Run its step again.")
    return manifest


def _opened(folder: "Folder | str") -> "Folder":
    return Path(folder) if isinstance(folder, str) else folder


def _hash_files(folder: Path, unhashed: Sequence[str]) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {str(path.relative_to(folder)): path for path in files}
    return {name: file_hash(path) for name, path in named.items() if Path(name).parts[0] not in unhashed}


def _replace_folder(source: Path, target: Path) -> None:
    # A folder cannot be renamed over a full one, so the old one steps aside first.
    if target.exists():
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        target.replace(aside)
        source.replace(target)
        shutil.rmtree(aside)
    else:
        source.replace(target)


def _package_versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
