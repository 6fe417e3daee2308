"""Follows a version.yaml for one model server: copies what it names, writes `models.config`, deletes what has gone."""

import logging
import time
from pathlib import Path

import grpc

from kuberec.client import Client
from kuberec.errors import KuberecError, PromotionError, ServingError
from kuberec.gitops import models_config as configs
from kuberec.gitops.copies import Copies
from kuberec.gitops.models_config import Config
from kuberec.gitops.versions import Served, read_versions

MODELS_CONFIG = "models.config"
AVAILABLE, END = "AVAILABLE", "END"
POLL_SECONDS = 1.0
ASK_SECONDS = 5.0
"""Time that the server has to say how its versions are."""

log = logging.getLogger(__name__)


class Sync:
    """Keeps `<target>/models.config`, and the versions that it names, in step with a version.yaml."""

    def __init__(self, versions: Path, repository: str, target: Path, server: str, label: str = "") -> None:
        """Nothing is copied or written before `follow`.

        Args:
            versions: The version.yaml, in a checkout or a mounted ConfigMap; read again and again.
            repository: The model repository, a folder or a URI.
            target: The folder that the server reads.
            server: `host:port` of that server's gRPC, which is asked what it has loaded.
            label: Expose the version with this label alone; all of them when empty.

        Raises:
            ServingError: Nothing here can reach such a repository.
            PromotionError: The target is the repository, holds versions from elsewhere, or cannot be written.
        """
        self._versions = versions
        self._target = target.absolute()
        self._output = self._target / MODELS_CONFIG
        self._server = server
        self._label = label
        self._copies = Copies(repository, self._target, self._report)
        self._said: dict[str, str] = {}
        self._once = False

    def follow(self, *, once: bool = False) -> None:
        """Follow for ever; what goes wrong is logged once, leaves everything as it is, and is tried again.

        Args:
            once: End as soon as models.config says what version.yaml says, or with the first error.

        Raises:
            KuberecError: What went wrong, with `once` alone.
        """
        self._once = once
        with Client(self._server, timeout=ASK_SECONDS) as client:
            while not (self._pass(client) and once):
                time.sleep(POLL_SECONDS)

    def _pass(self, client: Client) -> bool:
        try:
            done = self._step(client)
        except PromotionError as error:
            self._report(str(self._versions), error)
        except (OSError, UnicodeDecodeError) as error:
            self._report(str(self._versions), PromotionError(f"{error}."))
        else:
            self._report(str(self._versions), None)
            return done
        return False

    def _step(self, client: Client) -> bool:
        """Go one step; True when there is no further one to go."""
        served = self._served()
        copied = {
            name: [self._copies.ready(name, version) for version in each.versions] for name, each in served.items()
        }
        missing = {name for name, ready in copied.items() if not all(ready)}
        current = configs.read(self._output)
        if current is None and missing:
            return False
        wanted = configs.models_config(served, self._target)
        reachable = configs.keep_models(wanted, current, missing)
        step = configs.next_config(current, reachable, lambda name: self._available(client, name, served))
        if step != current:
            configs.write(self._output, step)
            log.info("%s now says: %s", self._output, configs.told(step))
        self._remove_unneeded(client, step, served)
        return bool(step == wanted)

    def _served(self) -> dict[str, Served]:
        served = read_versions(self._versions.read_text(encoding="utf-8"), str(self._versions))
        if not self._label:
            return served
        labelled = {name: each.only(self._label) for name, each in served.items()}
        for name, each in labelled.items():
            self._say(name, "" if each.versions else f"No version of {name} is labelled {self._label}: none is served.")
        return {name: each for name, each in labelled.items() if each.versions}

    def _available(self, client: Client, model: str, served: dict[str, Served]) -> set[int]:
        trouble = None
        try:
            states = client.status(model)
        except ServingError as error:
            states, trouble = [], ServingError(f"The labels of {model} wait for the server. {error}")
        for each in states:
            if each.version in served[model].versions and each.error:
                trouble = ServingError(
                    f"Version {each.version} of {model} does not load. The server says: {each.error}."
                )
        self._report(f"labels of {model}", trouble)
        return {each.version for each in states if each.state == AVAILABLE}

    def _remove_unneeded(self, client: Client, config: Config, served: dict[str, Served]) -> None:
        needed = {name: set(each.versions) for name, each in served.items()}
        for model in configs.models_of(config):
            needed.setdefault(model.name, set()).update(configs.versions_of(model))
        for name, version in list(self._copies.besides(needed)):
            # The server may not have read the config yet, and still answer by the version for some seconds.
            if not _in_use(client, name, version):
                self._copies.remove(name, version)

    def _report(self, subject: str, trouble: KuberecError | None) -> None:
        if trouble and self._once:
            raise trouble
        self._say(subject, f"{trouble} What is served stays as it is; tried again." if trouble else "")

    def _say(self, subject: str, text: str) -> None:
        # Once, not each time.
        if text and self._said.get(subject) != text:
            log.warning("%s", text)
        self._said[subject] = text


def _in_use(client: Client, model: str, version: int) -> bool:
    """Whether the server may still read a version; it may when it cannot be asked."""
    try:
        return any(each.state != END for each in client.status(model, version))
    except ServingError as error:
        cause = error.__cause__
        return not (isinstance(cause, grpc.RpcError) and cause.code() is grpc.StatusCode.NOT_FOUND)
