"""The model repository: which versions lie on disk, which are loaded, which one answers.

The folder `<base>/<model>/<integer version>/` is polled. The newest versions of each model are loaded, a new one
before the old one is let go, so that a model once available never stops answering. A version that fails is logged,
reported, and tried again when its files change; it never touches another one.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2

from kuberec.errors import ServingError
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, invalid_argument, not_found
from kuberec.serving.warmup import warm_up

GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")
KEPT_VERSIONS = 2
POLL_SECONDS = 1.0
INT64_MAX = 2**63 - 1
UNKNOWN = 2

State = get_model_status_pb2.ModelVersionStatus.State

log = logging.getLogger(__name__)


@dataclass
class Model:
    """What is known of one model.

    Attributes:
        loaded: Available versions by number.
        states: State, status number and message of every version ever seen.
        failed: What the files of a failed version looked like when it failed.
    """

    loaded: dict[int, Servable] = field(default_factory=dict)
    states: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


class ModelRepository:
    """Keeps the newest versions of every model of a folder loaded."""

    def __init__(self, base: Path | str, *, kept_versions: int = KEPT_VERSIONS) -> None:
        """Nothing is loaded before `poll`.

        Args:
            base: The repository folder.
            kept_versions: How many of a model's newest versions stay addressable, at least 1.

        Raises:
            ServingError: The folder does not exist.
        """
        self.base = Path(base)
        if not self.base.is_dir():
            raise ServingError(
                f"The model repository {base} is no folder. Promote a model into it, or name another with --repository."
            )
        self._kept = kept_versions
        self._models: dict[str, Model] = {}
        self._troubles: dict[str, str] = {}
        self._polling = threading.Lock()

    def poll(self) -> None:
        """Compare the folder with what is loaded, load what is new, then let go what is old.

        What cannot be read is logged and left as it is: a storage that hiccups takes no model down.
        """
        with self._polling:
            try:
                folders = model_folders(self.base)
            except OSError as error:
                self._report("", f"The model repository cannot be read: {error}")
                return
            self._report("", "")
            for name in sorted({*folders, *self._models}):
                try:
                    self._poll_model(name, folders.get(name))
                    self._report(name, "")
                except OSError as error:
                    self._report(name, f"{name} cannot be read: {error}")

    @contextmanager
    def servable(self, model_spec: Any) -> Iterator[Servable]:
        """The version that a request's ModelSpec asks for, held open while the request runs.

        Raises:
            StatusError: No name, a label, or no such model or version.
        """
        if not model_spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        if model_spec.WhichOneof("version_choice") == "version_label":
            raise invalid_argument(f"Unrecognized servable version label: {model_spec.version_label}")
        wanted = model_spec.version.value if model_spec.HasField("version") else None
        while True:
            servable = self._find(model_spec.name, wanted)
            with servable.in_use() as usable:
                # A version retired since it was found is no longer in the map: look again.
                if usable:
                    yield servable
                    return

    def states(self, model_spec: Any) -> dict[int, tuple[int, int, str]]:
        """State, status number and message by version, newest first.

        Raises:
            StatusError: No such model or version was ever seen.
        """
        name = model_spec.name
        model = self._models.get(name)
        if model is None or not model.states:
            raise not_found(f"Could not find any versions of model {name}")
        states = dict(sorted(model.states.items(), reverse=True))
        if not model_spec.HasField("version"):
            return states
        version = model_spec.version.value
        if version not in states:
            raise not_found(f"Could not find version {version} of model {name}")
        return {version: states[version]}

    def available(self) -> dict[str, list[int]]:
        """The available versions of each model, newest first."""
        return {name: sorted(model.loaded, reverse=True) for name, model in sorted(self._models.items())}

    def close(self) -> None:
        """Let go of everything."""
        with self._polling:
            for name, model in self._models.items():
                self._unload(name, model, {}, {})

    def _find(self, name: str, version: int | None) -> Servable:
        model = self._models.get(name)
        loaded = model.loaded if model else {}
        key = version if version is not None else max(loaded, default=None)
        if key is None or key not in loaded:
            raise _absent(name, version)
        return loaded[key]

    def _poll_model(self, name: str, folder: Path | None) -> None:
        on_disk = find_versions(folder) if folder else {}
        newest = dict(sorted(on_disk.items())[-self._kept :])
        # Replaced as a whole, never changed in place: requests read the map without a lock.
        model = self._models.get(name) or Model()
        self._models = {**self._models, name: model}
        for version, path in sorted(newest.items(), reverse=True):
            self._load(name, model, version, path)
        self._unload(name, model, newest, on_disk)

    def _report(self, name: str, trouble: str) -> None:
        # Once, not at every poll.
        if trouble and self._troubles.get(name) != trouble:
            log.error("%s", trouble)
        self._troubles[name] = trouble

    def _load(self, name: str, model: Model, version: int, path: Path) -> None:
        if version in model.loaded:
            return
        look = fingerprint(path)
        if model.failed.get(version) == look:
            return
        model.states[version] = (State.LOADING, 0, "")
        try:
            servable = load(name, version, path)
        except StatusError as error:
            self._fail(name, model, version, look, error.code.value[0], error.message)
        except tf.errors.OpError as error:
            self._fail(name, model, version, look, error.error_code, error.message)
        except Exception as error:
            # Whatever a broken export raises must not stop the others from being served.
            self._fail(name, model, version, look, UNKNOWN, f"{type(error).__name__}: {error}")
        else:
            model.failed.pop(version, None)
            model.loaded = {**model.loaded, version: servable}
            model.states[version] = (State.AVAILABLE, 0, "")
            log.info("%s version %d is available", name, version)

    def _fail(self, name: str, model: Model, version: int, look: str, code: int, message: str) -> None:
        model.failed[version] = look
        model.states[version] = (State.END, code, message)
        log.error("%s version %d cannot be served and is left out until its files change: %s", name, version, message)

    def _unload(self, name: str, model: Model, newest: Mapping[int, Path], on_disk: Mapping[int, Path]) -> None:
        # While none of the newest works, the last one that does goes on answering, if it is still on disk.
        working = [version for version in newest if version in model.loaded]
        spared = set() if working else {max((v for v in model.loaded if v in on_disk), default=None)}
        for version in [v for v in model.loaded if v not in newest and v not in spared]:
            servable = model.loaded[version]
            model.loaded = {key: value for key, value in model.loaded.items() if key != version}
            servable.retire()
            model.states[version] = (State.END, 0, "")
            log.info("%s version %d is unloaded", name, version)


def model_folders(base: Path) -> dict[str, Path]:
    """The model folders of a repository by name; hidden ones are none."""
    return {path.name: path for path in sorted(base.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def find_versions(folder: Path) -> dict[int, Path]:
    """The folders of one model that are named by a number and hold a graph."""
    found = {}
    for path in sorted(folder.iterdir()):
        number = version_number(path.name)
        if number is not None and any((path / name).is_file() for name in GRAPH_FILES):
            found[number] = path
    return found


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for (leading zeros allowed), or None."""
    if not (name.isascii() and name.isdecimal()):
        return None
    return int(name) if int(name) <= INT64_MAX else None


def fingerprint(path: Path) -> str:
    """Changes when a file of the folder appears, disappears, grows or is written again."""
    stats = ((file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file())
    return ";".join(f"{file.relative_to(path)}:{stat.st_size}:{stat.st_mtime_ns}" for file, stat in stats)


def load(name: str, version: int, path: Path) -> Servable:
    """Load a version and warm it up; a failed warm-up leaves nothing behind."""
    servable = Servable(name, version, path)
    try:
        warm_up(servable, path)
    except BaseException:
        servable.retire()
        raise
    return servable


def _absent(name: str, version: int | None) -> StatusError:
    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return not_found(f"Servable not found for request: {wanted}")
