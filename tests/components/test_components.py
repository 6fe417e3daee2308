"""The components: bodies that run on plain artifacts, and docstrings that say what goes in and comes out."""

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from kuberec.artifacts import read_manifest
from kuberec.gitops.promotion import Environment, history
from kuberec.train import MODEL_FILE
from tests.kuberec.conftest import Run, run
from tests.kuberec.gitops.deployment import VERSION_YAML, make_checkout, make_export, make_verdict
from tests.pipelines.synthetic import write_dataset

__all__ = ["run"]

ROOT = Path(__file__).parents[2]
STEPS = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py"))


def component(step: str) -> Any:
    return getattr(importlib.import_module(f"components.{step}.component"), step)


def test_the_data_steps_and_the_training_run_one_after_another(tmp_path: Path) -> None:
    source = str(write_dataset(tmp_path / "data", users=30))
    outputs = {
        name: dsl.Dataset(name=name, uri=str(tmp_path / name)) for name in ("dataset", "rows", "parts", "numbers")
    }
    page = dsl.HTML(name="data_report", uri=str(tmp_path / "page"))

    component("ingest").python_func(source=source, location="", revision="1", dataset=outputs["dataset"])
    component("validate").python_func(
        dataset=outputs["dataset"], max_bad_share=0.0, validated=outputs["rows"], data_report=page
    )
    # Kubeflow Pipelines hands whole numbers on as floats.
    component("split").python_func(
        validated=outputs["rows"],
        strategy="user",
        validation_share=0.1,
        test_share=0.1,
        seed=3.0,
        parts=outputs["parts"],
    )
    component("featurize").python_func(parts=outputs["parts"], features=outputs["numbers"])

    kinds = {name: read_manifest(output.path).kind for name, output in outputs.items()}
    assert kinds == {"dataset": "dataset", "rows": "validated", "parts": "split", "numbers": "features"}
    assert read_manifest(outputs["parts"].path).seed == 3
    assert Path(page.path).read_bytes() == (Path(outputs["rows"].path) / "report.html").read_bytes()
    for output in outputs.values():
        assert output.metadata["content_hash"] == read_manifest(output.path).content_hash

    model = dsl.Model(name="model", uri=str(tmp_path / "model"))
    # A family without epochs takes no notice of those that the pipeline was given for the others.
    component("train").python_func(
        features=outputs["numbers"],
        family="ease",
        epochs=5.0,
        seed=3.0,
        k=10.0,
        checkpoints="",
        accelerators=0,
        model=model,
    )
    assert model.metadata == {"family": "ease", "content_hash": read_manifest(model.path).content_hash}


def test_epochs_are_for_the_families_that_have_them(run: Run, tmp_path: Path) -> None:
    for family, epochs in {"als": None, "matrix_factorization": 1}.items():
        model = dsl.Model(name="model", uri=str(tmp_path / family))
        component("train").python_func(
            features=dsl.Dataset(name="features", uri=str(run.features)),
            family=family,
            epochs=1.0,
            seed=0.0,
            k=10.0,
            checkpoints="",
            accelerators=0,
            model=model,
        )
        trained = json.loads((tmp_path / family / MODEL_FILE).read_text())
        assert trained["hyperparameters"].get("epochs") == epochs


@pytest.mark.parametrize("step", STEPS)
def test_every_input_and_output_is_described(step: str) -> None:
    made = component(step)
    text = inspect.getdoc(made.python_func) or ""
    arguments, _, returns = text.partition("Returns:")
    for name in made.component_spec.inputs or {}:
        assert f"    {name}: " in arguments, name
    for name in set(made.component_spec.outputs or {}) - {"Output"}:
        assert f"    {name}: " in returns, name


def test_promote_publishes_and_commits_where_a_git_repository_is_named(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "deploy", VERSION_YAML)
    exported = dsl.Model(name="exported", uri=str(tmp_path / "export"))
    verdict = dsl.Artifact(name="verdict", uri=str(tmp_path / "verdict"))
    make_verdict(tmp_path / "verdict", make_export(tmp_path / "export", "graph"))
    inputs = {"exported": exported, "verdict": verdict, "repository": str(tmp_path / "models"), "model_name": "films"}
    assert component("promote").python_func(**inputs) == 1
    dev = Environment(str(checkout), "dev")
    assert history(dev) == []
    assert component("promote").python_func(**inputs, git=str(checkout), run="training-17") == 1
    (record,) = history(dev)
    assert (record.model, record.label, record.version, record.run) == ("films", "canary", 1, "training-17")
