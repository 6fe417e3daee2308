"""What the API server would say of the overlays: core kinds by Kubernetes' own schemas, the others by their CRDs."""

from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from tests.manifests.conftest import Schemas
from tests.manifests.rendering import ROOT, Manifest, kustomizations, manifests, named, title
from tests.manifests.test_render import name

KUBERNETES = "1.34"
"""The oldest release of Kubernetes that the manifests are for."""
CORE = ("rbac.authorization.k8s.io", "networking.k8s.io")
"""Kubernetes' own groups whose names have a dot."""


def is_core(manifest: Manifest) -> bool:
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." not in group or group in CORE


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_core_resources_are_what_kubernetes_expects(folder: Path) -> None:
    for each in filter(is_core, manifests(folder)):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_every_health_check_is_of_a_kind_that_exists(crd_schemas: Schemas) -> None:
    kinds = {f"{version.partition('/')[0]}_{kind}" for version, kind in crd_schemas}
    prefix = "resource.customizations.health."
    checked = {
        key.removeprefix(prefix) for key in named(ROOT / "argocd", "ConfigMap", "argocd-cm")["data"] if prefix in key
    }
    assert checked <= kinds
    assert len(checked) == len(list(ROOT.glob("argocd/health/*.lua")))


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_custom_resources_are_what_their_crds_expect(folder: Path, crd_schemas: Schemas) -> None:
    unknown, errors = [], []
    for each in manifests(folder):
        if is_core(each):
            continue
        schema = crd_schemas.get((each["apiVersion"], each["kind"]))
        if schema is None:
            unknown.append(title(each))
            continue
        found = jsonschema.Draft202012Validator(schema).iter_errors(each)
        errors += [f"{title(each)}: {'/'.join(map(str, error.path))}: {error.message[:200]}" for error in found]
    assert (unknown, errors) == ([], [])
