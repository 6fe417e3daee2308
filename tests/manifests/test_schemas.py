"""What the API server would say of the overlays: core kinds by Kubernetes' own schemas, the others by their CRDs."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import jsonschema
import kubernetes_validate
import pytest

from tests.manifests.rendering import ROOT, Manifest, kustomizations, manifests, title
from tests.manifests.test_render import name

KUBERNETES = "1.34"
"""The oldest release of Kubernetes that the manifests are for."""
SCHEMAS = Path(os.environ.get("KUBEREC_CRD_SCHEMAS", ROOT.parent / "shared" / "schemas"))
"""A folder with `crds/` and the strict `validate.py`, which the repository does not hold."""


CORE = ("rbac.authorization.k8s.io", "networking.k8s.io")
"""Kubernetes' own groups whose names have a dot."""


def is_core(manifest: Manifest) -> bool:
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." not in group or group in CORE


@pytest.fixture(scope="module")
def validator() -> ModuleType:
    if not (SCHEMAS / "validate.py").exists():
        pytest.skip(f"no CRD schemas in {SCHEMAS}; KUBEREC_CRD_SCHEMAS names another folder")
    spec = importlib.util.spec_from_file_location("validate", SCHEMAS / "validate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_core_resources_are_what_kubernetes_expects(folder: Path) -> None:
    for each in filter(is_core, manifests(folder)):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_custom_resources_are_what_their_crds_expect(folder: Path, validator: ModuleType) -> None:
    schemas = validator.load_schemas()
    unknown, errors = [], []
    for each in manifests(folder):
        if is_core(each):
            continue
        schema = schemas.get((each["apiVersion"], each["kind"]))
        if schema is None:
            unknown.append(title(each))
            continue
        found = jsonschema.Draft202012Validator(schema).iter_errors(each)
        errors += [f"{title(each)}: {'/'.join(map(str, error.path))}: {error.message[:200]}" for error in found]
    assert (unknown, errors) == ([], [])
