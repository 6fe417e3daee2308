import json
import shutil
from pathlib import Path

import pytest

from kuberec.artifacts import read_manifest
from kuberec.errors import ArtifactError
from kuberec.export import export
from kuberec.validate_export import PARITY_FILE, validate_export
from tests.kuberec.conftest import Run


def test_a_true_export_passes_every_check(run: Run) -> None:
    manifest = read_manifest(run.parity)
    checks = json.loads((run.parity / PARITY_FILE).read_text())["checks"]
    assert manifest.facts == {"passed": True, "checks": len(checks)}
    assert {check["name"] for check in checks} == {
        "stock operations",
        "recommendations",
        "k above the catalogue",
        "sessions",
        "empty history",
        "unknown user",
        "exclusions",
        "scores",
        "similar items",
        "warm-up",
    }
    assert all(check["passed"] for check in checks)
    assert set(manifest.parents) == {"export", "model", "features"}


def test_the_export_of_another_model_fails(run: Run, tmp_path: Path) -> None:
    export(run.weak, run.features, tmp_path / "export")
    manifest = validate_export(tmp_path / "export", run.model, run.features, tmp_path / "parity")
    assert manifest.facts["passed"] is False


def test_a_folder_without_manifest_is_an_error(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.export, tmp_path / "export")
    (tmp_path / "export" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="no finished artifact"):
        validate_export(tmp_path / "export", run.model, run.features, tmp_path / "parity")
