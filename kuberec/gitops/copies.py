"""Copies of published versions on this machine: `<target>/<model>/<version>/`, whole or not there.

A copy is made under a hidden name, checked against the hashes that the version was published with, and renamed. It is
made in the background: while a version is on its way, or its repository away, the versions that are here can be served,
and rolled back to.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kuberec.artifacts import MANIFEST, read_manifest, verify_artifact
from kuberec.errors import ArtifactError, KuberecError, PromotionError, ServingError
from kuberec.storage import Folder, open_folder, reaching

MARK = ".sync-models"
"""File that says that a folder was filled by this module, which deletes there what is no longer needed."""
BLOCK = 8 << 20
"""Bytes of a file that are asked for at a time."""
PARALLEL = 4
"""Copies that are made at a time: each holds a few blocks in memory, and a sidecar has little of it."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Times until a copy that failed is tried again; the first one doubles until it is the longest."""

log = logging.getLogger(__name__)


class Copies:
    """The copies below a folder, which is theirs alone."""

    def __init__(self, repository: str, target: Path, report: Callable[[str, KuberecError | None], None]) -> None:
        """Nothing is copied before `ready` asks.

        Args:
            repository: The model repository, a folder or a URI.
            target: The folder; made where it does not exist.
            report: Told of each version whether its copy succeeded or why not.

        Raises:
            ServingError: Nothing here can reach such a repository.
            PromotionError: The target is the repository, or holds versions that come from elsewhere.
        """
        source = open_folder(repository)
        if isinstance(source, Path) and source.resolve() == target.resolve():
            raise PromotionError(f"The target {target} is the model repository itself. Name a folder for the copies.")
        _own(target)
        self._repository = repository
        self._target = target
        self._report = report
        self._whole: set[Path] = set()
        self._running: dict[Path, _Copying] = {}
        self._pauses: dict[Path, float] = {}
        self._earliest: dict[Path, float] = {}

    def ready(self, model: str, version: int) -> bool:
        """Whether a copy is there and whole; as long as it is not, it is being made."""
        copy = self._target / model / str(version)
        if copy in self._whole:
            return True
        copying = self._running.get(copy)
        if copying is None and time.monotonic() >= self._earliest.get(copy, 0.0):
            self._running[copy] = _Copying(self._repository, copy)
            self._running[copy].start()
        if copying is None or copying.is_alive():
            return False
        del self._running[copy]
        self._conclude(copy, copying.trouble)
        return copying.trouble is None

    def besides(self, needed: Mapping[str, set[int]]) -> Iterator[tuple[str, int]]:
        """Model and version of each copy that is not needed, half ones included."""
        for path in self._target.glob("*/*"):
            model, name = path.parent.name, path.name.removeprefix(".")
            if not name.isascii() or not name.isdecimal() or int(name) in needed.get(model, set()):
                continue
            copying = self._running.get(path.with_name(name))
            if copying is None or not copying.is_alive():
                yield model, int(name)

    def remove(self, model: str, version: int) -> None:
        """Delete a copy, and what is left of a half one."""
        copy = self._target / model / str(version)
        self._running.pop(copy, None)
        self._whole.discard(copy)
        _remove(copy)
        log.info("%s is deleted: nothing serves it", copy)

    def _conclude(self, copy: Path, trouble: KuberecError | None) -> None:
        if trouble is None:
            self._whole.add(copy)
            self._pauses.pop(copy, None)
        else:
            pause = self._pauses.get(copy, FIRST_PAUSE_SECONDS)
            self._earliest[copy] = time.monotonic() + pause
            self._pauses[copy] = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._report(str(copy), trouble)


class _Copying(threading.Thread):
    """Makes one copy. A daemon, so that the process may end in the middle.

    Attributes:
        trouble: Why there is no whole copy; None when there is.
    """

    _slots = threading.Semaphore(PARALLEL)

    def __init__(self, repository: str, copy: Path) -> None:
        super().__init__(daemon=True)
        self._repository = repository
        self._copy = copy
        self.trouble: KuberecError | None = ServingError(f"{copy} was not made.")

    def run(self) -> None:
        """Make the copy; never raises."""
        try:
            # Opened anew each time, since credentials change.
            source = open_folder(self._repository) / self._copy.parent.name / self._copy.name
            with self._slots, reaching(source, "It is not copied."):
                copy_version(source, self._copy)
            self.trouble = None
        except KuberecError as error:
            self.trouble = error


def copy_version(source: Folder, copy: Path) -> None:
    """Copy the files that a version was published with, unless a whole copy is there; what is damaged is replaced.

    Raises:
        ArtifactError: The version is not whole, or does not hold what was published.
    """
    if _is_whole(copy):
        return
    hidden = _hidden(copy)
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        for name in (*read_manifest(source).files, MANIFEST):
            _copy_file(source / name, _inside(hidden, name))
        _verify(hidden, source)
        hidden.rename(copy)
        log.info("%s is copied", source)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _copy_file(source: Folder, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # By its own choice s3fs holds up to half a gigabyte in memory.
    opened = source.open("rb") if isinstance(source, Path) else source.open("rb", block_size=BLOCK)
    with opened as stored, target.open("wb") as stream:
        shutil.copyfileobj(stored, stream, BLOCK)


def _verify(copy: Path, source: Folder) -> None:
    try:
        verify_artifact(copy)
    except ArtifactError as error:
        raise ArtifactError(f"{source} does not hold what was published. {error}") from error


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(
            f"The manifest names {name!r}, which lies outside of the version's folder. Publish it anew."
        )
    return path


def _is_whole(copy: Path) -> bool:
    # A machine that lost power may have kept the name of a copy and not all of its bytes.
    if not copy.exists():
        return False
    try:
        verify_artifact(copy)
    except ArtifactError:
        _remove(copy)
        return False
    return True


def _remove(copy: Path) -> None:
    hidden = _hidden(copy)
    shutil.rmtree(hidden, ignore_errors=True)
    if copy.exists():
        copy.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _hidden(copy: Path) -> Path:
    """A name that no server takes for a version."""
    return copy.with_name(f".{copy.name}")


def _own(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        if not (target / MARK).exists() and any(target.glob("*/[0-9]*")):
            raise PromotionError(
                f"The target {target} holds versions that were not copied there by this command, which would delete "
                "them. Name another folder, or an empty one."
            )
        (target / MARK).touch()
    except OSError as error:
        raise PromotionError(f"The target {target} cannot be written: {error}. Name another folder.") from error
