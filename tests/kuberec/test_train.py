"""The step: artifact, errors, loading."""

import json
from pathlib import Path

import numpy as np
import pytest

from kuberec.artifacts import read_manifest, verify_artifact
from kuberec.errors import ArtifactError, ConfigError, ModelError
from kuberec.features import load_features
from kuberec.train import HISTORY_FILE, MODEL_FILE, VALIDATION_FILE, load_model, train
from tests.contracts import FAST, Data, tastes
from tests.kuberec.conftest import Run

__all__ = ["tastes"]


def test_artifact_says_what_was_trained(run: Run) -> None:
    manifest = verify_artifact(run.model)
    assert (manifest.kind, manifest.seed) == ("model", 0)
    assert manifest.parents == {"features": read_manifest(run.features).content_hash}
    history = json.loads((run.model / HISTORY_FILE).read_text())
    validation = json.loads((run.model / VALIDATION_FILE).read_text())
    best = history[manifest.facts["epochs"] - 1]
    assert validation == {"ndcg@10": best["ndcg@10"], "recall@10": best["recall@10"]}


def test_logs_are_kept_but_not_hashed(run: Run) -> None:
    assert list((run.model / "tensorboard").rglob("events.*"))
    assert not any(name.startswith("tensorboard") for name in read_manifest(run.model).files)


def test_loaded_twice_gives_equal_scores(run: Run) -> None:
    features = load_features(run.features)
    first, second = (load_model(run.model, features).recommend(["u001", "u002"], 5) for _ in range(2))
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.item_ids, second.item_ids)


def test_cutoff_of_the_validation_metrics(tastes: Data, tmp_path: Path) -> None:
    train(tastes.folder, tmp_path / "model", family="matrix_factorization", overrides=FAST | {"epochs": 1}, k=3)
    assert set(json.loads((tmp_path / "model" / VALIDATION_FILE).read_text())) == {"ndcg@3", "recall@3"}


def test_unknown_family_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model family 'nope'"):
        train(run.features, tmp_path / "model", family="nope")
    assert list(tmp_path.iterdir()) == []


def test_unknown_hyperparameter_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"warmth.*embedding_size"):
        train(run.features, tmp_path / "model", family="triplet", overrides={"warmth": 3})


def test_model_of_other_features_is_refused(run: Run, tastes: Data) -> None:
    with pytest.raises(ArtifactError, match="was trained on the features"):
        load_model(run.model, tastes.features)


def test_failed_training_leaves_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="loss became"):
        train(run.features, tmp_path / "model", family="triplet", overrides={"temperature": 1e-38, "epochs": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("family", "epochs"), [("matrix_factorization", 2), ("ease", None)])
def test_the_number_of_epochs_is_that_of_the_families_that_have_any(
    run: Run, tmp_path: Path, family: str, epochs: int | None
) -> None:
    train(run.features, tmp_path / "model", family=family, epochs=2)
    stored = json.loads((tmp_path / "model" / MODEL_FILE).read_text())
    assert stored["hyperparameters"].get("epochs") == epochs


def test_epochs_as_a_hyperparameter_of_a_family_without_any_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"epochs.*The hyperparameters are .*regularizations"):
        train(run.features, tmp_path / "model", family="ease", overrides={"epochs": 2})
