"""One served model: its loaded versions, and the state of every version ever seen."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2

from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, describe
from kuberec.serving.versions import fingerprint
from kuberec.serving.warmup import warm_up

UNKNOWN = 2
VersionState = tuple[int, int, str]

State = get_model_status_pb2.ModelVersionStatus.State

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retries:
    """How TF Serving goes on with a version that fails to load: so often, so many seconds apart, then never again."""

    count: int = 5
    seconds: float = 60.0


NO_RETRIES = Retries(0, 0.0)


class Model:
    """The versions of one model. One thread changes it; requests read it without a lock.

    Attributes:
        name: The model's name.
        loaded: Available versions by number. Replaced as a whole, never changed in place.
        states: State, status number and message of every version ever seen. Replaced as a whole.
    """

    def __init__(self, name: str, stopping: threading.Event, retries: Retries | None = None) -> None:
        """Nothing is loaded yet.

        Args:
            name: The model's name.
            stopping: Ends the pause between two attempts.
            retries: Try again as TF Serving does; None tries again whenever the files change.
        """
        self.name = name
        self.loaded: dict[int, Servable] = {}
        self.states: dict[int, VersionState] = {}
        self._failed: dict[int, str] = {}
        self._stopping = stopping
        self._retries = retries

    def update(self, wanted: Mapping[int, Path]) -> None:
        """Load the wanted versions that are new, then let go of those no longer wanted.

        While none of the wanted ones works, the newest that does goes on answering.

        Raises:
            OSError: A folder vanished while it was looked at.
        """
        for version in [version for version in self._failed if version not in wanted]:
            del self._failed[version]
        for version, path in sorted(wanted.items(), reverse=True):
            if version not in self.loaded:
                self._load(version, path)
        working = any(version in self.loaded for version in wanted)
        spared = max(self.loaded, default=None) if wanted and not working else None
        for version in [version for version in self.loaded if version not in wanted and version != spared]:
            self._unload(version)

    def failure(self) -> str:
        """The newest version that failed and why, in TF Serving's words; empty where none did."""
        for version, (state, code, message) in sorted(self.states.items(), reverse=True):
            if state == State.END and code:
                return f"{{name: {self.name} version: {version}}} due to error: {describe(code, message)}"
        return ""

    def _load(self, version: int, path: Path) -> None:
        look = fingerprint(path)
        if version in self._failed and (self._retries or self._failed[version] == look):
            return
        self._set_state(version, State.LOADING)
        error = self._attempt(version, path)
        retries = self._retries or NO_RETRIES
        for _ in range(retries.count):
            if error and not self._stopping.wait(retries.seconds):
                error = self._attempt(version, path)
        if error:
            self._failed[version] = look
            self._set_state(version, State.END, *error)
            log.error("%s version %d cannot be served and is left out: %s", self.name, version, error[1])

    def _attempt(self, version: int, path: Path) -> tuple[int, str] | None:
        try:
            servable = load(self.name, version, path)
        except StatusError as error:
            return error.code.value[0], error.message
        except tf.errors.OpError as error:
            return error.error_code, error.message
        except Exception as error:
            # Whatever a broken export raises must not stop the others from being served.
            return UNKNOWN, f"{type(error).__name__}: {error}"
        self._failed.pop(version, None)
        self.loaded = {**self.loaded, version: servable}
        self._set_state(version, State.AVAILABLE)
        log.info("%s version %d is available", self.name, version)
        return None

    def _unload(self, version: int) -> None:
        servable = self.loaded[version]
        self.loaded = {key: value for key, value in self.loaded.items() if key != version}
        servable.retire()
        self._set_state(version, State.END)
        log.info("%s version %d is unloaded", self.name, version)

    def _set_state(self, version: int, state: int, code: int = 0, message: str = "") -> None:
        self.states = {**self.states, version: (state, code, message)}


def load(name: str, version: int, path: Path) -> Servable:
    """Load a version and warm it up; a failed warm-up leaves nothing behind."""
    servable = Servable(name, version, path)
    try:
        warm_up(servable, path)
    except BaseException:
        servable.retire()
        raise
    return servable
