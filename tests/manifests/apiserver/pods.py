"""The pods that controllers would make of the manifests."""

from collections.abc import Iterator
from typing import Any

from tests.manifests.rendering import Manifest

RUNTIMES = "kuberec-training"
"""Where the pods of a ClusterTrainingRuntime run, which is in no namespace itself."""


def pod(space: str, spec: Manifest, labels: dict[str, str] | None = None) -> Manifest:
    """A pod in a namespace."""
    metadata = {"generateName": "test-", "namespace": space, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pods(manifest: Manifest) -> list[Manifest]:
    """One pod of each template in an object: Deployment, CronJob, Notebook, ClusterTrainingRuntime, Experiment."""
    space = manifest["metadata"].get("namespace", RUNTIMES)
    return [pod(space, each["spec"], each.get("metadata", {}).get("labels")) for each in templates(manifest)]


def templates(value: Any) -> Iterator[Manifest]:
    """Every template of a pod within an object, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "template" and "containers" in inner.get("spec", {}):
                yield inner
            else:
                yield from templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from templates(inner)
