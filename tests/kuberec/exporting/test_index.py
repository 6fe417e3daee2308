"""An export with an index of its items."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from kuberec.artifacts import write_json
from kuberec.checks import Check
from kuberec.export import export
from kuberec.exporting.graph import ServingGraph
from kuberec.exporting.parity import Served, check_parity
from kuberec.exporting.signatures import RECOMMEND, signatures
from kuberec.exporting.warmup import EXTRA
from kuberec.features import load_features
from kuberec.retrieval.choice import RETRIEVAL_FILE, IndexSettings
from kuberec.retrieval.clusters import cluster
from kuberec.retrieval.ivf import MOST_ROWS, InvertedFile
from kuberec.train import load_model
from kuberec.training.fitted import FittedModel
from tests.kuberec.conftest import Run

ALL_FOUND = IndexSettings(least_items=1, least_recall=1.0)


@pytest.fixture(scope="module")
def model(run: Run) -> FittedModel:
    loaded: FittedModel = load_model(run.model, load_features(run.features))
    return loaded


@pytest.fixture
def index(model: FittedModel) -> InvertedFile:
    """One that searches everything, so that it never has too few items."""
    vectors = model.item_vectors[:, :-1]
    return InvertedFile(vectors, cluster(vectors[1:], 3, seed=0), nprobe=3)


def saved(graph: ServingGraph, folder: Path, least_recall: float = 0.0) -> Path:
    tf.saved_model.save(graph, str(folder), signatures=signatures(graph))
    (folder / EXTRA).mkdir()
    write_json(folder / EXTRA / RETRIEVAL_FILE, {"method": "ivf", "least_recall": least_recall})
    return folder


def of_index(folder: Path, model: FittedModel) -> Check:
    (found,) = (check for check in check_parity(folder, model) if check.name == "index")
    return found


def test_the_choice_lies_beside_the_model(run: Run, model: FittedModel, tmp_path: Path) -> None:
    export(run.model, run.features, tmp_path / "export", ALL_FOUND)
    choice = json.loads((tmp_path / "export" / EXTRA / RETRIEVAL_FILE).read_text())
    assert (choice["method"], choice["recall"], choice["items"]) == ("ivf", 1.0, len(model.data.items) - 1)
    assert [check for check in check_parity(tmp_path / "export", model) if not check.passed] == []


def test_a_small_catalogue_is_exact_by_default(run: Run) -> None:
    choice = json.loads((run.export / EXTRA / RETRIEVAL_FILE).read_text())
    assert (choice["method"], choice["clusters"]) == ("exact", 0)


def test_the_index_answers_few_users_and_all_scores_many(
    model: FittedModel, index: InvertedFile, tmp_path: Path
) -> None:
    index.slabs.assign(tf.zeros_like(index.slabs))  # scores of zero show who was answered by it
    served = Served(saved(ServingGraph(model, index), tmp_path))
    known = [str(user) for user in model.data.users.ids[model.personal]]

    def by_index(users: list[str], **inputs: object) -> bool:
        return bool((served.ranked(RECOMMEND, user_id=users, k=1, **inputs).scores[0, 0] == 0).all())

    taker = min(known, key=lambda user: model.data.observed[model.data.users.indices([user])].nnz)
    assert by_index([taker])
    assert not by_index([taker] * (MOST_ROWS + 1))
    assert not by_index([taker, "nobody"])
    assert not by_index([taker], allow_item_ids=[list(model.data.items.ids[1:])])
    assert not by_index([taker], exclude_item_ids=[["never heard of"] * 40])


def test_a_recall_below_the_exports_is_found(model: FittedModel, index: InvertedFile, tmp_path: Path) -> None:
    graph = ServingGraph(model, index)
    assert of_index(saved(graph, tmp_path / "whole", least_recall=1.0), model).passed
    index.items.assign(tf.concat([tf.zeros_like(index.items[:, :9]), index.items[:, 9:]], axis=1))
    refused = of_index(saved(graph, tmp_path / "gaps", least_recall=0.9), model)
    assert not refused.passed and "and 0 scores are wrong" in refused.reason
    assert of_index(saved(graph, tmp_path / "allowed", least_recall=0.0), model).passed


def test_a_wrong_score_of_the_index_is_found(model: FittedModel, index: InvertedFile, tmp_path: Path) -> None:
    index.slabs.assign(index.slabs * 1.01)
    refused = of_index(saved(ServingGraph(model, index), tmp_path), model)
    assert not refused.passed and "and 0 scores are wrong" not in refused.reason
