"""What an export folder holds."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kuberec.artifacts import read_manifest, verify_artifact
from kuberec.errors import ArtifactError
from kuberec.export import CARD_FILE, export
from kuberec.train import train
from tests.contracts import FAST, ITEMS, Data, tastes
from tests.kuberec.conftest import Run

__all__ = ["tastes"]


def test_signatures_of_the_contract(run: Run) -> None:
    saved = saved_model_pb2.SavedModel.FromString((run.export / "saved_model.pb").read_bytes())
    found = saved.meta_graphs[0].signature_def
    recommend = ["allow_item_ids", "categories", "exclude_item_ids", "history_item_ids", "k", "user_id"]
    assert {name: (sorted(found[name].inputs), sorted(found[name].outputs)) for name in found if name[0] != "_"} == {
        "serving_default": (recommend, ["item_ids", "scores"]),
        "recommend": (recommend, ["item_ids", "scores"]),
        "score": (["item_ids", "user_id"], ["scores"]),
        "similar_items": (["item_id", "k"], ["item_ids", "scores"]),
    }
    defaults = found["recommend"].defaults
    assert sorted(defaults) == recommend[:-1]
    assert tf.make_ndarray(defaults["k"]) == 10


def test_export_is_a_whole_artifact_with_its_parents(run: Run) -> None:
    manifest = verify_artifact(run.export)
    assert manifest.parents == {
        "features": read_manifest(run.features).content_hash,
        "model": read_manifest(run.model).content_hash,
    }


def test_a_new_process_exports_the_same_content(run: Run, tmp_path: Path) -> None:
    # TensorFlow numbers the functions of a process, so the bytes are the same only from the same start.
    code = "import sys; from kuberec.export import export; print(export(*sys.argv[1:]).content_hash)"
    command = [sys.executable, "-c", code, str(run.model), str(run.features)]
    hashes = {
        subprocess.run([*command, str(tmp_path / name)], check=True, capture_output=True, text=True).stdout
        for name in ("first", "second")
    }
    assert len(hashes) == 1


def test_card_names_family_and_metrics(run: Run) -> None:
    card = (run.export / CARD_FILE).read_text(encoding="utf-8")
    assert "# matrix_factorization on small" in card
    assert "ndcg@10" in card


def test_titles_travel_with_the_model(tastes: Data, tmp_path: Path) -> None:
    train(tastes.folder, tmp_path / "model", family="matrix_factorization", overrides=FAST | {"epochs": 1})
    export(tmp_path / "model", tastes.folder, tmp_path / "export")
    titles = pq.read_table(tmp_path / "export" / "assets.extra" / "titles.parquet").to_pylist()
    assert len(titles) == ITEMS
    assert {"item_id": "i7", "title": "Item 7"} in titles


def test_other_features_are_refused(run: Run, tastes: Data, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="was trained on the features"):
        export(run.model, tastes.folder, tmp_path / "export")
