"""The step `promote`: publish an export as the next version of a model repository folder.

    <repository>/<name>/<version>/    saved_model.pb, variables/, assets.extra/, …   what the server reads
                                      manifest.json, model_card.md                   the export's own
                                      verdict/                                       what the gate said of it

The version is written under a name that no server takes for one and then renamed, so it appears whole or not at all.
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
from urllib.parse import unquote, urlsplit

import psutil

from kuberec.artifacts import MANIFEST, read_manifest, verify_artifact
from kuberec.errors import ArtifactError, ServingError

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
        repository: Folder or `file://` URI of the model repository; made where it does not exist.
        name: The model's name in it.

    Returns:
        The version's number: one above the highest there, from 1.

    Raises:
        ServingError: The verdict is none, refuses, or is another export's; the repository cannot be written.
        ArtifactError: The export or the verdict is incomplete or was changed.
    """
    export, verdict = Path(export), Path(verdict)
    content = check_verdict(export, verdict)
    folder = model_folder(repository, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _publish(export, verdict, folder, content)
    except OSError as error:
        raise ServingError(f"{folder} cannot be written: {error}. Nothing was published.") from error


def check_verdict(export: Path, verdict: Path) -> str:
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


def latest_version(repository: Path | str, name: str) -> Path | None:
    """The folder of a model's highest version, None when nothing was published yet."""
    folder = model_folder(repository, name)
    versions = published_versions(folder) if folder.is_dir() else {}
    return versions[max(versions)] if versions else None


def published_versions(folder: Path) -> dict[int, Path]:
    """Everything in a model's folder that is named by a number, whole or not."""
    return {int(path.name): path for path in folder.iterdir() if path.name.isascii() and path.name.isdecimal()}


def _publish(export: Path, verdict: Path, folder: Path, content: str) -> int:
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


def _content_of(version: Path) -> str:
    if not (version / MANIFEST).is_file():
        return ""
    try:
        return read_manifest(version).content_hash
    except ArtifactError:
        return ""


def model_folder(repository: Path | str, name: str) -> Path:
    """Where the versions of a model lie; the folder need not exist.

    Raises:
        ServingError: No server takes such a name, or the repository is no folder of this machine.
    """
    if not _NAME.fullmatch(name):
        raise ServingError(f"A model's name is made of letters, digits and `_.-`, got {name!r}.")
    text = str(repository)
    scheme, separator, _ = text.partition("://")
    if separator and scheme != "file":
        raise ServingError(
            f"{text}: publishing into {scheme}:// storage is not supported. Name a folder or a file:// URI."
        )
    return Path(unquote(urlsplit(text).path) if separator else text) / name


def _reasons(decision: Mapping[str, Any]) -> str:
    failed = [check for check in decision.get("checks", []) if not check.get("passed")]
    return "; ".join(f"{check['name']}: {check['reason']}" for check in failed) or "it gives no reason"
