"""The schemas of custom resources, which the repository does not hold."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.rendering import ROOT

Schemas = dict[tuple[str, str], dict[str, Any]]
"""JSON schemas that refuse unknown fields, by apiVersion and kind."""

SCHEMAS = Path(os.environ.get("KUBEREC_CRD_SCHEMAS", ROOT.parent / "shared" / "schemas"))
"""A folder with `crds/` and the `validate.py` that reads them strictly."""


@pytest.fixture(scope="session")
def crd_schemas() -> Schemas:
    if not (SCHEMAS / "validate.py").exists():
        pytest.skip(f"no CRD schemas in {SCHEMAS}; KUBEREC_CRD_SCHEMAS names another folder")
    spec = importlib.util.spec_from_file_location("validate", SCHEMAS / "validate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schemas: Schemas = module.load_schemas()
    return schemas
