"""One small run through the steps that several tests look at; read-only."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from kuberec.evaluate import evaluate
from kuberec.export import export
from kuberec.featurize import featurize
from kuberec.split import split
from kuberec.train import train
from kuberec.validate_export import validate_export
from tests.kuberec.builders import taste_rows, write_validated

BASELINES = ("popularity", "item_knn")


@dataclass(frozen=True)
class Run:
    """Folders of a small run; `weak` is a model that has learned nothing, `evaluation` chose `model`."""

    split: Path
    features: Path
    model: Path
    weak: Path
    export: Path
    parity: Path
    evaluation: Path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Users of four tastes, split by time; a model that finds the tastes, and one that does not."""
    root = tmp_path_factory.mktemp("run")
    found = Run(**{name: root / name for name in Run.__dataclass_fields__})
    split(write_validated(root / "validated", taste_rows()), found.split)
    featurize(found.split, found.features)
    good = {"epochs": 20, "embedding_size": 8, "learning_rate": 0.02, "batch_size": 32, "half_life": None}
    train(found.features, found.model, family="matrix_factorization", overrides=good)
    weak = {**good, "epochs": 1, "learning_rate": 1e-9}
    train(found.features, found.weak, family="matrix_factorization", overrides=weak)
    export(found.model, found.features, found.export)
    validate_export(found.export, found.model, found.features, found.parity)
    models = [found.weak, found.model]
    evaluate(models, found.split, found.features, found.evaluation, baselines=BASELINES, resamples=300)
    return found
