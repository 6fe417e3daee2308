"""The local cache of step results: content decides, and nothing stale, torn or changed is ever reused.

Kubeflow Pipelines' own local cache trusts paths: it knows neither changed code nor a damaged folder. This one names an
input by the hash of its content, adds the fingerprint of the code, and checks each stored folder before it is used.
"""

from collections.abc import Set
from pathlib import Path
from typing import Any, Protocol

from kfp import dsl
from kfp.local.cache import LocalCache

from kuberec.artifacts import MANIFEST, read_manifest, verify_artifact
from kuberec.errors import ArtifactError

Outputs = dict[str, Any]


class Watcher(Protocol):
    """Is told what happens to the steps, in order."""

    def started(self, step: str) -> None:
        """A step begins to run."""

    def finished(self, step: str, outputs: Outputs, cached: bool) -> None:
        """A step's outputs are there: from a run, or from the cache."""


class StepCache(LocalCache):
    """Results of steps by what they were made from.

    Args:
        folder: Where the entries lie.
        code: Fingerprint of the code; entries of other code are never found.
        uncached: Components that run every time.
        watcher: Is told what happens.
    """

    def __init__(self, folder: Path, code: str, uncached: Set[str], watcher: Watcher) -> None:
        super().__init__(str(folder))
        self._code, self._uncached, self._watcher = code, uncached, watcher
        self._steps: dict[str, str] = {}

    def compute_key(
        self, component_name: str, image: str, full_command: list[str], arguments: dict[str, Any], **options: Any
    ) -> str:
        """The key of a step: component, command, code, parameters, and the content of its input artifacts."""
        named = {name: _identity(value) for name, value in arguments.items()}
        key: str = super().compute_key(component_name, image, [*full_command, self._code], named, **options)
        self._steps[key] = step_name(component_name, arguments)
        return key

    def get(self, key: str) -> Outputs | None:
        """The outputs of a step that ran before, or None when it must run."""
        step = self._steps[key]
        outputs: Outputs | None = None if _component(step) in self._uncached else super().get(key)
        if outputs is None or not all(_intact(value) for value in outputs.values()):
            self._watcher.started(step)
            return None
        self._watcher.finished(step, outputs, cached=True)
        return outputs

    def put(self, key: str, outputs: Outputs) -> None:
        """Keep the outputs of a step that has just run."""
        super().put(key, outputs)
        self._watcher.finished(self._steps[key], outputs, cached=False)


def step_name(component_name: str, arguments: dict[str, Any]) -> str:
    """What a step is called: its component, and the family where it is one of several."""
    name = component_name.removeprefix("comp-").replace("-", "_")
    return f"{name} {arguments['family']}" if "family" in arguments else name


def _component(step: str) -> str:
    return step.partition(" ")[0]


def _identity(value: Any) -> Any:
    """An artifact's kind and content hash, so that the same data made again is known as the same."""
    if isinstance(value, list):
        return [_identity(element) for element in value]
    if not isinstance(value, dsl.Artifact):
        return value
    if not (Path(value.path) / MANIFEST).is_file():
        return value.uri
    manifest = read_manifest(value.path)
    return [manifest.kind, manifest.content_hash]


def _intact(value: Any) -> bool:
    """Whether an output is still what the step wrote."""
    if not isinstance(value, dsl.Artifact) or not Path(value.path).is_dir():
        return True
    try:
        verify_artifact(value.path)
    except ArtifactError:
        return False
    return True
