"""Every kustomization, applied to an API server of its own."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.apiserver.server import PROGRAMS, ApiServer, Done, programs_folder, running
from tests.manifests.conftest import SCHEMAS
from tests.manifests.rendering import MANIFESTS, OVERLAYS, ROOT, Manifest, manifests
from tests.manifests.test_components import EXTRA, build

PLATFORM: list[Manifest] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}},
]
"""What comes with `manifests/third-party`, besides CRDs, and ours are put into."""
SHARED = ("--force-conflicts", "--field-manager=kuberec")
"""How argocd/README.md applies: Argo CD's own installation holds the same ConfigMap."""


@dataclass(frozen=True)
class Applied:
    """A kustomization, the server that it was applied to, and how that went."""

    folder: Path
    server: ApiServer
    flags: tuple[str, ...]
    first: Done

    @property
    def manifests(self) -> list[Manifest]:
        """What was applied."""
        return manifests(self.folder)

    def again(self) -> Done:
        """Apply it once more."""
        return self.server.apply(f"--kustomize={self.folder}", *self.flags)

    def stored(self) -> dict[tuple[str, str, str], Manifest]:
        """What the server holds, by kind, namespace and name, with the time of the last change of each field."""
        found = {}
        for each in self.server.answer("get", f"--kustomize={self.folder}", "--show-managed-fields")["items"]:
            meta = each["metadata"]
            # A status with defaults (PersistentVolumeClaim, Gateway) is written twice, though with the same words.
            del meta["resourceVersion"]
            found[each["kind"], meta.get("namespace", ""), meta["name"]] = each
        return found


@pytest.fixture(scope="session")
def programs() -> None:
    """The test is skipped without the programs."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: nothing can be applied")
    if missing := [name for name in PROGRAMS if not (programs_folder() / name).exists()]:
        pytest.skip(f"no {' and no '.join(missing)} in {programs_folder()}: `make apiserver` builds them")


@pytest.fixture(scope="session")
def crds() -> list[Manifest]:
    """The CRDs of the platform."""
    if not (SCHEMAS / "crds").exists():
        pytest.skip(f"no CRDs in {SCHEMAS}; KUBEREC_CRD_SCHEMAS names another folder")
    texts = [path.read_text(encoding="utf-8") for path in sorted((SCHEMAS / "crds").glob("*.yaml"))]
    return [structural(yaml.load(text, yaml.CSafeLoader)) for text in texts]


def structural(schema: Any) -> Any:
    """A CRD with "a number or a string" said as Kubernetes wants it; those derived from models say `anyOf`."""
    if isinstance(schema, list):
        return [structural(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    either = {each.get("type") for each in schema.get("anyOf", [])} >= {"integer", "string"}
    if either and "x-kubernetes-int-or-string" not in schema:
        return {"x-kubernetes-int-or-string": True}
    return {key: structural(each) for key, each in schema.items()}


def install_platform(server: ApiServer, crds: list[Manifest], wanted: list[Manifest]) -> None:
    """What `manifests/third-party/install.sh` leaves of what some objects need, as far as the API server sees it."""
    kinds = {(each["apiVersion"].partition("/")[0], each["kind"]) for each in wanted}
    items = [each for each in crds if (each["spec"]["group"], each["spec"]["names"]["kind"]) in kinds]
    for each in [*items, *PLATFORM]:
        server.create(each)
    # kubectl cannot wait for a condition of what has no list of conditions yet.
    for sign in ("jsonpath={.status.acceptedNames.listKind}", "condition=Established"):
        done = server.kubectl("wait", f"--for={sign}", "--timeout=300s", "crd", "--all")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session", params=[*(folder.name for folder in OVERLAYS), "argocd", *EXTRA])
def applied(
    request: pytest.FixtureRequest, programs: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Applied]:
    """Each overlay, `argocd`, and on top of `dev` each component that is in no overlay."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    if name in EXTRA:
        (source := folder / "kustomization").mkdir()
        build(source, name)
    else:
        source = ROOT / "argocd" if name == "argocd" else MANIFESTS / "overlays" / name
    flags = SHARED if name == "argocd" else ()
    with running(folder) as server:
        if name != "local":  # which stands on Kubernetes alone
            install_platform(server, request.getfixturevalue("crds"), manifests(source))
        yield Applied(source, server, flags, server.apply(f"--kustomize={source}", *flags))
