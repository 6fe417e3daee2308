"""The compiled pipeline: what is kept is what the code gives, and it is fit for a cluster."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import IMAGE

ROOT = Path(__file__).parents[2]
COMPILED = ROOT / "pipelines" / "compiled" / "training.yaml"
STEPS = {
    "ingest", "validate", "split", "featurize", "train", "evaluate", "export", "validate-export", "gate", "promote",
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    documents = list(yaml.safe_load_all(COMPILED.read_text(encoding="utf-8")))
    assert len(documents) == 1
    return dict(documents[0])


@pytest.fixture(scope="module")
def tasks(compiled: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every step's task, also those inside loops and conditions."""
    dags = [compiled["root"]["dag"], *(part["dag"] for part in compiled["components"].values() if "dag" in part)]
    found = {name: task for dag in dags for name, task in dag["tasks"].items()}
    return {name: task for name, task in found.items() if name in STEPS}


@pytest.mark.slow
def test_the_compiled_pipeline_is_up_to_date(tmp_path: Path) -> None:
    output = tmp_path / "training.yaml"
    kfp = str(Path(sys.executable).parent / "kfp")
    command = [kfp, "dsl", "compile", "--py", "pipelines/training.py", "--output", str(output)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert output.read_text(encoding="utf-8") == COMPILED.read_text(encoding="utf-8"), "run make compile"


def test_every_step_runs_in_the_pipeline_image_and_installs_nothing(compiled: dict[str, Any]) -> None:
    executors = compiled["deploymentSpec"]["executors"]
    assert set(executors) == {f"exec-{step}" for step in STEPS}
    for executor in executors.values():
        assert executor["container"]["image"] == IMAGE
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_every_step_has_resources(compiled: dict[str, Any]) -> None:
    for name, executor in compiled["deploymentSpec"]["executors"].items():
        given = executor["container"]["resources"]
        assert given["resourceCpuLimit"] == given["resourceCpuRequest"] != "", name
        assert given["resourceMemoryLimit"] == given["resourceMemoryRequest"] != "", name


def test_only_training_asks_for_accelerators(compiled: dict[str, Any]) -> None:
    executors = compiled["deploymentSpec"]["executors"]
    asking = {name for name, each in executors.items() if "accelerator" in each["container"]["resources"]}
    assert asking == {"exec-train"}
    accelerator = executors["exec-train"]["container"]["resources"]["accelerator"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert "accelerators" in accelerator["resourceCount"]


def test_every_step_is_tried_again(tasks: dict[str, dict[str, Any]]) -> None:
    assert set(tasks) == STEPS
    for name, task in tasks.items():
        assert task["retryPolicy"]["maxRetryCount"] == 2, name
        assert task["retryPolicy"]["backoffDuration"] == "30s", name


def test_every_step_is_cached_but_the_one_that_acts_on_the_world(tasks: dict[str, dict[str, Any]]) -> None:
    cached = {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert cached == STEPS - {"promote"}


def test_nothing_is_promoted_past_a_shut_gate(compiled: dict[str, Any]) -> None:
    guarded = [
        part["dag"]["tasks"]
        for part in compiled["components"].values()
        if "promote" in part.get("dag", {}).get("tasks", {})
    ]
    assert len(guarded) == 1
    assert "promote" not in compiled["root"]["dag"]["tasks"]
    (condition,) = (t for t in compiled["root"]["dag"]["tasks"].values() if "triggerPolicy" in t)
    assert condition["triggerPolicy"]["condition"] == "inputs.parameter_values['pipelinechannel--gate-Output'] == true"


def test_the_pipeline_takes_the_settings_of_a_run(compiled: dict[str, Any]) -> None:
    from kuberec.config import RunConfig

    parameters = set(compiled["root"]["inputDefinitions"]["parameters"])
    assert set(RunConfig.model_fields) - {"work_dir"} <= parameters
    assert parameters - set(RunConfig.model_fields) == {"revision", "accelerators", "checkpoints", "champion"}
