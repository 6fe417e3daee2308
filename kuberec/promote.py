"""The step `promote`: publish an export as the next version of a model repository, a folder or an object store.

    <repository>/<name>/<version>/    saved_model.pb, variables/, assets.extra/, …   what the server reads
                                      manifest.json, model_card.md                   the export's own
                                      verdict/                                       what the gate said of it

In a folder the version is written under a name that no server takes for one and then renamed, so it appears whole or
not at all. An object store renames nothing: there the version's manifest is written last, and without it nobody takes
the version for whole.
"""

import errno
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from upath import UPath

from kuberec.artifacts import MANIFEST, read_manifest, verify_artifact
from kuberec.errors import ArtifactError, ServingError
from kuberec.storage import Folder, open_folder, reaching

VERDICT_FILE = "verdict.json"
VERDICT_FOLDER = "verdict"
SUMMARY_FILE = "verdict.md"
EVALUATION_FILE = "evaluation.md"
EXPORT = "export"
"""Kind of an export's manifest, and the name it has among a verdict's parents."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PUBLISHING = ".publishing-"
_EXISTS = (errno.EEXIST, errno.ENOTEMPTY)


def promote(export: Path | str, verdict: Path | str, repository: Path | str, name: str) -> int:
    """Publish an export that the gate let pass.

    Publishing the content that is already the latest version changes nothing; a version on disk is never touched.

    Args:
        export: The output of `export`.
        verdict: The output of `gate` for exactly that export.
        repository: Folder or URI of the model repository. A folder is made where it does not exist; a bucket is not. An
            object store has to refuse `If-None-Match: *` for an object that exists, as Amazon's S3 does.
        name: The model's name in it.

    Returns:
        The version's number: above the highest there, from 1.

    Raises:
        ServingError: The verdict is none, refuses, or is another export's; the repository cannot be written.
        ArtifactError: The export or the verdict is incomplete or was changed.
    """
    export, verdict = Path(export), Path(verdict)
    content = check_verdict(export, verdict)
    folder = model_folder(repository, name)
    with reaching(folder, "Nothing was published."):
        if isinstance(folder, Path):
            return _publish(export, verdict, folder, content)
        return _upload(export, verdict, folder, content)


def check_verdict(export: Folder, verdict: Folder) -> str:
    """The export's content hash, if the verdict is a passed one for it. Raises as `promote`."""
    exported = verify_artifact(export)
    judged = verify_artifact(verdict)
    if exported.kind != EXPORT:
        raise ServingError(f"{export} is an artifact of kind {exported.kind!r}; only an export can be promoted.")
    if judged.kind != VERDICT_FOLDER:
        raise ServingError(f"{verdict} is an artifact of kind {judged.kind!r}; name the output of `gate`.")
    if judged.parents.get(EXPORT) != exported.content_hash:
        raise ServingError(
            f"The verdict {verdict} was given for another export than {export}. Run `gate` on this export."
        )
    decision = json.loads((verdict / VERDICT_FILE).read_text(encoding="utf-8"))
    if decision.get("passed") is not True:
        raise ServingError(f"The gate refused this export: {_reasons(decision)}. Nothing was published.")
    return exported.content_hash


def latest_version(repository: Path | str, name: str) -> Folder | None:
    """The folder of a model's highest version, None when nothing was published yet.

    Raises:
        ServingError: The repository cannot be read.
    """
    versions = whole_versions(repository, name)
    return versions[max(versions)] if versions else None


def whole_versions(repository: Path | str, name: str) -> dict[int, Folder]:
    """The versions of a model that may be served.

    Raises:
        ServingError: No server takes such a name, or the repository cannot be read.
    """
    folder = model_folder(repository, name)
    with reaching(folder, "Check the address and the right to read it."):
        versions = published_versions(folder) if folder.is_dir() else {}
        if isinstance(folder, Path):
            return versions
        return {number: version for number, version in versions.items() if (version / MANIFEST).exists()}


def published_versions(folder: Folder) -> dict[int, Any]:
    """Everything in a model's folder that is named by a number, whole or not."""
    return {int(path.name): path for path in folder.iterdir() if path.name.isascii() and path.name.isdecimal()}


def _publish(export: Path, verdict: Path, folder: Path, content: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    temporary = folder / f"{_PUBLISHING}{uuid.uuid4().hex}-{os.getpid()}@{socket.gethostname()}"
    try:
        while True:
            versions = published_versions(folder)
            latest = max(versions, default=0)
            if latest and _content_of(versions[latest]) == content:
                return latest
            if not temporary.exists():
                shutil.copytree(export, temporary)
                shutil.copytree(verdict, temporary / VERDICT_FOLDER)
            if _renamed(temporary, folder / str(latest + 1)):
                return latest + 1
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Delete what promotions of this machine left behind when they were killed."""
    for path in folder.glob(f"{_PUBLISHING}*-*@{socket.gethostname()}"):
        process = path.name.partition("@")[0].rpartition("-")[2]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _renamed(source: Path, target: Path) -> bool:
    # A full folder is never replaced by a rename: of two that publish at once, one finds its number taken.
    try:
        os.rename(source, target)  # noqa: PTH104  Path.rename says nothing of folders
    except OSError as error:
        if error.errno in _EXISTS:
            return False
        raise
    return True


def _upload(export: Path, verdict: Path, folder: UPath, content: str) -> int:
    # What a killed upload leaves has no manifest and keeps its number: nobody can tell it from one that still runs.
    versions = published_versions(folder) if folder.is_dir() else {}
    latest = max(versions, default=0)
    if latest and _content_of(versions[latest]) == content:
        return latest
    number = _claim(folder, latest + 1, (verdict / MANIFEST).read_bytes())
    version = folder / str(number)
    _put(verdict, version / VERDICT_FOLDER)
    _put(export, version)
    _put_file(export / MANIFEST, version / MANIFEST)
    return number


def _claim(folder: UPath, number: int, manifest: bytes) -> int:
    """The first number, from `number` on, whose verdict nobody has begun to write."""
    while True:
        path = folder / str(number) / VERDICT_FOLDER / MANIFEST
        try:
            path.fs.pipe_file(path.path, manifest, mode="create")
        except FileExistsError:
            number += 1
        else:
            return number


def _put(source: Path, target: UPath) -> None:
    """Copy a folder but for its manifest."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if not path.is_dir() and name != MANIFEST:
            _put_file(path, target / name)


def _put_file(source: Path, target: UPath) -> None:
    target.fs.put_file(str(source), target.path)


def _content_of(version: Folder) -> str:
    try:
        return read_manifest(version).content_hash
    except ArtifactError:
        return ""


def model_folder(repository: Path | str, name: str) -> Folder:
    """Where the versions of a model lie; the folder need not exist.

    Raises:
        ServingError: No server takes such a name, or nothing here can reach such a repository.
    """
    if not _NAME.fullmatch(name):
        raise ServingError(f"A model's name is made of letters, digits and `_.-`, got {name!r}.")
    return open_folder(repository) / name


def _reasons(decision: Mapping[str, Any]) -> str:
    failed = [check for check in decision.get("checks", []) if not check.get("passed")]
    return "; ".join(f"{check['name']}: {check['reason']}" for check in failed) or "it gives no reason"
