"""version.yaml → the `models.config` of a model server, by steps that the server takes.

TF Serving moves labels before it loads versions, and refuses a config that moves a label in use to a version that is
not available; it would keep refusing for ever. So a change is taken in two steps: old and new versions with the old
labels, and, once the server says that the new ones are available, what version.yaml says. A version that does not come
up leaves the labels where they are. Which step is next is read from the written file and the server alone, so that a
follower may be killed at any moment.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kuberec.artifacts import write_text
from kuberec.client import Client
from kuberec.errors import PromotionError, ServingError
from kuberec.gitops.versions import read_versions

PLATFORM = "tensorflow"
AVAILABLE = "AVAILABLE"
POLL_SECONDS = 0.5
ASK_SECONDS = 5.0
"""Time that the server has to say which versions are available."""

Config = Any
"""A ModelServerConfig."""

log = logging.getLogger(__name__)


def models_config(text: str, repository: str, source: str = "version.yaml") -> str:
    """The `models.config` that serves what a version.yaml says.

    Args:
        text: The version.yaml.
        repository: Folder or URI under which each model has a folder of its name, absolute as the server asks for.
        source: The file's name, for errors.

    Returns:
        A ModelServerConfig as text.

    Raises:
        PromotionError: The text is no version.yaml.
    """
    return _text(_wanted(text, repository, source))


def next_config(current: Config, wanted: Config, available: Callable[[str], set[int]]) -> Config:
    """The config that a server may be given next on its way from one to another.

    Args:
        current: What it was given last; None when it was given nothing.
        wanted: What it shall serve in the end.
        available: The versions of a model that the server says are available.
    """
    step = model_server_config_pb2.ModelServerConfig()
    step.CopyFrom(wanted)
    before = {model.name: model for model in current.model_config_list.config} if current else {}
    for model in step.model_config_list.config:
        old = before.get(model.name)
        moved = _moved(old, model) if old else set()
        if old and moved and not moved <= available(model.name):
            versions = {*_versions(old), *_versions(model)}
            model.version_labels.clear()
            model.version_labels.update(old.version_labels)
            model.model_version_policy.specific.versions[:] = sorted(versions)
    return step


class Follower:
    """Keeps a `models.config` in step with a version.yaml, for one server."""

    def __init__(self, version_file: Path, repository: str, output: Path, server: str) -> None:
        """Nothing is read or written before `follow`.

        Args:
            version_file: In a Git checkout or a mounted ConfigMap; read again and again.
            repository: As for `models_config`.
            output: The `models.config` that the server polls.
            server: `host:port` of that server's gRPC.
        """
        self._version_file = version_file
        self._repository = repository
        self._output = output
        self._server = server
        self._trouble = ""

    def follow(self, stopped: Callable[[], bool], poll_seconds: float = POLL_SECONDS) -> None:
        """Follow until `stopped` says so; a file that cannot be read is logged once, and the config stays."""
        with Client(self._server, timeout=ASK_SECONDS) as client:
            while not stopped():
                try:
                    self._step(client)
                    self._trouble = ""
                except (PromotionError, OSError, UnicodeDecodeError) as error:
                    self._report(f"{self._output} stays as it is: {error}")
                time.sleep(poll_seconds)

    def _step(self, client: Client) -> None:
        wanted = _wanted(self._version_file.read_text(encoding="utf-8"), self._repository, str(self._version_file))
        current = _written(self._output)
        text = _text(next_config(current, wanted, lambda name: self._available(client, name)))
        if current is None or text != _text(current):
            write_text(self._output, text)
            done = text == _text(wanted)
            log.info(
                "%s %s", self._output, "follows" if done else "first adds what is to be loaded; labels wait for it"
            )

    def _available(self, client: Client, name: str) -> set[int]:
        try:
            return {each.version for each in client.status(name) if each.state == AVAILABLE}
        except ServingError as error:
            self._report(f"Labels of {name} wait for the server: {error}")
            return set()

    def _report(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble


def _wanted(text: str, repository: str, source: str) -> Config:
    config = model_server_config_pb2.ModelServerConfig()
    models = config.model_config_list
    models.SetInParent()
    for name, served in read_versions(text, source).items():
        base_path = f"{repository.rstrip('/')}/{name}"
        model = models.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
        model.model_version_policy.specific.versions.extend(served.versions)
        model.version_labels.update(served.labels)
    return config


def _written(output: Path) -> Config | None:
    """What the server was given last; what is no config of ours counts as nothing."""
    try:
        return text_format.Parse(output.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig())
    except (FileNotFoundError, text_format.ParseError):
        return None


def _moved(old: Config, new: Config) -> set[int]:
    """The versions that labels in use move to."""
    return {version for label, version in new.version_labels.items() if old.version_labels.get(label) != version}


def _versions(model: Config) -> list[int]:
    return list(model.model_version_policy.specific.versions)


def _text(config: Config) -> str:
    return str(text_format.MessageToString(config))
