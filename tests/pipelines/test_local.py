"""The pipeline on one machine: run for real, run again, refused, failed."""

import json
import shutil
from pathlib import Path

import pytest

from kuberec.artifacts import read_manifest
from pipelines.local import RunResult, run
from tests.pipelines.conftest import Workshop

pytestmark = pytest.mark.slow

STEPS = [
    "ingest", "validate", "split", "featurize", "train matrix_factorization", "evaluate", "export", "validate_export",
    "gate", "promote",
]  # fmt: skip


def test_every_step_runs_once_and_in_order(unbroken: RunResult) -> None:
    assert list(unbroken.executed) == STEPS
    assert unbroken.cached == ()


def test_a_good_model_is_published(unbroken: RunResult, workshop: Workshop) -> None:
    assert unbroken.passed, (unbroken.artifacts["verdict"] / "verdict.md").read_text()
    assert unbroken.version == 1
    version = workshop.folder / "models" / "recommender" / "1"
    assert read_manifest(version).content_hash == read_manifest(unbroken.artifacts["exported"]).content_hash


def test_every_artifact_names_its_parents(unbroken: RunResult) -> None:
    def content(name: str) -> str:
        return read_manifest(unbroken.artifacts[name]).content_hash

    for child, parent in (
        ("validated", "dataset"), ("parts", "validated"), ("features", "parts"),
        ("model/matrix_factorization", "features"), ("evaluation", "parts"), ("exported", "candidate"),
        ("parity", "exported"), ("verdict", "evaluation"), ("verdict", "parity"),
    ):  # fmt: skip
        parents = read_manifest(unbroken.artifacts[child]).parents
        assert content(parent) in parents.values(), (child, parent)


def test_what_the_kubeflow_ui_shows_is_written(unbroken: RunResult) -> None:
    assert "<html" in unbroken.artifacts["report"].read_text(encoding="utf-8").lower()
    assert unbroken.artifacts["summary"].read_text(encoding="utf-8").startswith("#")
    assert unbroken.artifacts["reasons"].read_text(encoding="utf-8").startswith("#")
    assert json.loads(unbroken.artifacts["metrics"].read_text(encoding="utf-8"))["candidate"] == "matrix_factorization"


def test_a_rerun_with_nothing_changed_only_asks_the_repository(unbroken: RunResult, workshop: Workshop) -> None:
    again = run(workshop.config())
    assert list(again.executed) == ["promote"]
    assert list(again.cached) == STEPS[:-1]
    assert again.version == unbroken.version
    assert again.artifacts == unbroken.artifacts


def test_a_shut_gate_publishes_nothing_and_reuses_what_is_there(unbroken: RunResult, workshop: Workshop) -> None:
    refused = run(workshop.config(rule="better", margin=0.9))
    assert not refused.passed
    assert refused.version is None
    assert list(refused.cached) == STEPS[:4] + STEPS[4:5]
    assert list(refused.executed) == ["evaluate", "export", "validate_export", "gate"] or list(refused.executed) == [
        "evaluate", "gate",
    ]  # fmt: skip
    assert [path.name for path in (workshop.folder / "models" / "recommender").iterdir()] == ["1"]


def test_a_damaged_artifact_is_made_again(unbroken: RunResult, workshop: Workshop, tmp_path: Path) -> None:
    copy = tmp_path / "workshop"
    shutil.copytree(workshop.folder / "data", copy / "data")
