"""The served models: which there are, which versions are loaded, which one answers a request.

A config says which models there are and where their versions lie. The folders are polled; a new version is loaded
before an old one is let go, so that a model once available never stops answering. What fails is logged and reported,
and touches nothing else.

In strict mode it does as TF Serving does: one base path that cannot be read stops the polling of every model, a first
config with a label for a version that is not yet loaded is refused, and `reload` waits until every new model answers.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kuberec.serving.config import check_models, check_platform_changes, check_platforms
from kuberec.serving.loading import Loader
from kuberec.serving.model import Model, Retries, VersionState
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, failed_precondition, invalid_argument, not_found, unavailable, unknown
from kuberec.serving.versions import missing_versions, wanted_versions

STRICT_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class ModelRepository:
    """Keeps the versions loaded that a config asks for."""

    def __init__(
        self,
        *,
        strict: bool = False,
        allow_unavailable_labels: bool = False,
        retries: Retries | None = None,
        loader: Loader | None = None,
        stopping: threading.Event | None = None,
        load_threads: int = 1,
    ) -> None:
        """Nothing is served before `reload`.

        Args:
            strict: Do as TF Serving does, its faults included.
            allow_unavailable_labels: A new label may name a version that is not loaded.
            retries: How strict mode tries again to load what failed.
            loader: Loads versions; None loads them without batching.
            stopping: Ends every wait of strict mode.
            load_threads: Models that may load versions at a time, each one after another.
        """
        self._strict = strict
        self._allow_unavailable_labels = allow_unavailable_labels
        self._retries = (retries or Retries()) if strict else None
        self._loader = loader or Loader()
        self._config: Any = None
        self._labels: dict[str, dict[str, int]] | None = None
        self._watched: dict[str, Any] = {}
        self._models: dict[str, Model] = {}
        self._troubles: dict[str, str] = {}
        self._reloading = threading.Lock()
        self._polling = threading.Lock()
        self._stopping = stopping or threading.Event()
        self._pool = ThreadPoolExecutor(load_threads, "load") if load_threads > 1 else None

    def reload(self, config: Any) -> None:
        """Serve the models of a ModelServerConfig and no others.

        As in TF Serving, labels move first and only to versions that are available now, and a config that fails after
        its first checks is remembered, although the models stay as they were.

        Raises:
            StatusError: The config is wrong, or a model that is new in it cannot be served; in TF Serving's words.
        """
        with self._reloading:
            if config.WhichOneof("config") is None and self._config is None:
                log.info("Taking no action for empty config.")
                return
            if config.WhichOneof("config") != "model_config_list":
                raise failed_precondition(
                    "Cannot transition to requested config. It is only legal to transition from one ModelConfigList "
                    "to another."
                )
            self._reload_list(config)

    def poll(self) -> None:
        """Compare the base paths with what is loaded, load what is new, then let go of what is old.

        What cannot be read is logged and left as it is: a storage that hiccups takes no model down.
        """
        with self._polling:
            wanted = self._wanted()
            models = [model for name, model in self._models.items() if name in wanted or name not in self._watched]
            update_all = self._pool.map if self._pool else map
            list(update_all(self._update, models, [wanted.get(model.name, {}) for model in models]))

    @contextmanager
    def servable(self, model_spec: Any) -> Iterator[Servable]:
        """The version that a request's ModelSpec asks for, held open while the request runs.

        Raises:
            StatusError: No name, an unknown label, or no such model or version.
        """
        if not model_spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        while True:
            servable = self._find(model_spec.name, self._version(model_spec))
            with servable.in_use() as usable:
                # A version retired since it was found is no longer in the map: look again.
                if usable:
                    yield servable
                    return

    def states(self, model_spec: Any) -> dict[int, VersionState]:
        """State, status number and message by version, newest first; a label in the ModelSpec is ignored.

        Raises:
            StatusError: No such model or version was ever seen.
        """
        name = model_spec.name
        model = self._models.get(name)
        states = dict(sorted(model.states.items(), reverse=True)) if model else {}
        if not states:
            raise not_found(f"Could not find any versions of model {name}")
        if not model_spec.HasField("version"):
            return states
        version = model_spec.version.value
        if version not in states:
            raise not_found(f"Could not find version {version} of model {name}")
        return {version: states[version]}

    def available(self) -> dict[str, list[int]]:
        """The available versions of each model, newest first."""
        return {name: sorted(model.loaded, reverse=True) for name, model in sorted(self._models.items())}

    def served(self) -> dict[str, list[int]]:
        """As `available`, without models that the config no longer names."""
        return {name: versions for name, versions in self.available().items() if name in self._watched}

    def close(self) -> None:
        """Let go of everything."""
        self._stopping.set()
        with self._polling:
            for model in self._models.values():
                model.update({})
        if self._pool:
            self._pool.shutdown()

    def _reload_list(self, config: Any) -> None:
        models = config.model_config_list.config
        check_models(models)
        first = self._config is None
        check_platform_changes([] if first else self._config.model_config_list.config, models)
        self._config = config
        self._labels = self._new_labels(models, first)
        if {model.name: model for model in models} == self._watched:
            return
        check_platforms(models)
        added = [model.name for model in models if model.name not in self._watched]
        with self._polling:
            self._watched = {model.name: model for model in models}
            new = {
                name: Model(name, self._loader, self._stopping, self._retries)
                for name in self._watched
                if name not in self._models
            }
            self._models = {**self._models, **new}
        self.poll()
        self._await(added, first)

    def _new_labels(self, models: Iterable[Any], first: bool) -> dict[str, dict[str, int]]:
        labels: dict[str, dict[str, int]] = {}
        for model in models:
            loaded = self._models[model.name].loaded if model.name in self._models else {}
            for label, version in sorted(model.version_labels.items()):
                if version not in loaded and not self._may_wait(model.name, label, version):
                    trouble = (
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
                    if self._strict or not first:
                        raise failed_precondition(trouble)
                    log.warning(
                        "Label %s waits for its version; TF Serving would not start without "
                        "--allow_version_labels_for_unavailable_models: %s", label, trouble,
                    )  # fmt: skip
                labels.setdefault(model.name, {})[label] = version
        return labels

    def _may_wait(self, name: str, label: str, version: int) -> bool:
        current = (self._labels or {}).get(name, {}).get(label, version)
        return self._allow_unavailable_labels and current == version

    def _wanted(self) -> dict[str, dict[int, Path]]:
        wanted = {}
        model_files = () if self._strict else self._loader.session.model_files
        for name, model in self._watched.items():
            try:
                wanted[name] = wanted_versions(model, model_files)
            except OSError as error:
                self._report(name, self._unreadable(name, error))
                if self._strict:
                    return {}
            else:
                self._report(name, missing_versions(model, wanted[name]))
        return wanted

    def _unreadable(self, name: str, error: OSError) -> str:
        path = self._watched[name].base_path
        if self._strict:
            return (
                "FileSystemStoragePathSource encountered a filesystem access error: Could not find base path "
                f"{path} for servable {name} with error {error}"
            )
        return (
            f"The base path {path} of model {name} cannot be read: {error}. "
            "The other models go on; TF Serving would look for no new version of any of them."
        )

    def _update(self, model: Model, wanted: dict[int, Path]) -> None:
        try:
            model.update(wanted)
        except OSError as error:
            self._report(model.name, f"A version of {model.name} vanished while it was read: {error}")

    def _report(self, name: str, trouble: str) -> None:
        # Once, not at every poll.
        if trouble and self._troubles.get(name) != trouble:
            log.error("%s", trouble)
        self._troubles[name] = trouble

    def _await(self, added: Iterable[str], first: bool) -> None:
        """Answer for the models that are new: all available, or an error; strict mode waits for either."""
        models = [self._models[name] for name in added]
        while self._strict and any(not model.loaded and not model.failure() for model in models):
            if self._stopping.wait(STRICT_POLL_SECONDS):
                return
            self.poll()
        for model in models:
            if not model.loaded and not model.failure():
                log.warning("Model %s has no version yet; TF Serving would wait for one before it answers", model.name)
        failures = [f"{{{model.failure()}}}, " for model in models if not model.loaded and model.failure()]
        if failures:
            kind = "servable" if first else "model"
            message = f"{len(failures)} {kind}(s) did not become available: {{{''.join(failures)}}}"
            if self._strict or not first:
                raise unknown(message)
            log.warning("TF Serving would not start: %s", message)

    def _version(self, model_spec: Any) -> int | None:
        if model_spec.WhichOneof("version_choice") == "version_label":
            return self._labelled(model_spec.name, model_spec.version_label)
        return int(model_spec.version.value) if model_spec.HasField("version") else None

    def _labelled(self, name: str, label: str) -> int:
        if self._labels is None:
            raise unavailable(f"Model labels does not init yet.{label}")
        if label not in self._labels.get(name, {}):
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return self._labels[name][label]

    def _find(self, name: str, version: int | None) -> Servable:
        model = self._models.get(name)
        loaded = model.loaded if model else {}
        key = version if version is not None else max(loaded, default=None)
        if key is None or key not in loaded:
            raise _absent(name, version)
        return loaded[key]


def _absent(name: str, version: int | None) -> StatusError:
    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return not_found(f"Servable not found for request: {wanted}")
