"""What kustomize makes of `manifests/` and `argocd/`, as plain objects."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.parent for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
LEFT_OUT = {"third-party", "transformers"}
"""What is fetched from other projects, and what changes manifests and makes none."""

Manifest = dict[str, Any]


def kustomizations() -> list[Path]:
    """Every folder that `make render` builds; components are built as a part of the overlays and of their tests."""
    files = [path for top in ("manifests", "argocd") for path in (ROOT / top).rglob("kustomization.yaml")]
    built = [path for path in files if "kind: Kustomization" in path.read_text(encoding="utf-8")]
    return sorted(path.parent for path in built if LEFT_OUT.isdisjoint(path.parts))


@functools.cache
def rendered(folder: Path) -> str:
    """What `kubectl kustomize` prints; without kubectl, which no package index has, the test is skipped."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: the manifests cannot be built", allow_module_level=True)
    return subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True).stdout


def manifests(folder: Path) -> list[Manifest]:
    """The objects that a kustomization makes."""
    return list(yaml.safe_load_all(rendered(folder)))


def named(folder: Path, kind: str, name: str) -> Manifest:
    """The one object of a kind and name."""
    (found,) = [each for each in manifests(folder) if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def title(manifest: Manifest) -> str:
    """Kind and name, to tell which object is wrong."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod_specs(value: Any) -> Iterator[Manifest]:
    """Every pod's spec within an object, however deep: Deployment, CronJob, Notebook, TrainingRuntime, Experiment."""
    if isinstance(value, dict):
        if isinstance(value.get("containers"), list):
            yield value
        for inner in value.values():
            yield from pod_specs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pod_specs(inner)


def containers(spec: Manifest) -> list[Manifest]:
    """All containers of a pod, those of its start included."""
    return [*spec.get("initContainers", []), *spec["containers"]]
