from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kuberec.exporting.graph import ServingGraph
from kuberec.exporting.parity import check_parity, compare_rankings
from kuberec.exporting.signatures import signatures
from kuberec.exporting.warmup import EXTRA, WARMUP_FILE, write_warmup
from kuberec.features import load_features
from kuberec.recommender import Recommendations
from kuberec.train import load_model
from kuberec.training.fitted import FittedModel
from tests.kuberec.conftest import Run


@pytest.fixture(scope="module")
def model(run: Run) -> FittedModel:
    loaded: FittedModel = load_model(run.model, load_features(run.features))
    return loaded


def _failed(graph: ServingGraph, model: FittedModel, folder: Path) -> set[str]:
    tf.saved_model.save(graph, str(folder), signatures=signatures(graph))
    write_warmup(folder / EXTRA / WARMUP_FILE, "m", ["u001"], ["i001"])
    return {check.name for check in check_parity(folder, model) if not check.passed}


def test_a_true_export_passes(model: FittedModel, tmp_path: Path) -> None:
    assert _failed(ServingGraph(model), model, tmp_path) == set()


def test_shifted_ids_are_found(model: FittedModel, tmp_path: Path) -> None:
    graph = ServingGraph(model)
    graph.item_ids = tf.roll(graph.item_ids, 1, axis=0)
    assert {"recommendations", "unknown user", "similar items"} <= _failed(graph, model, tmp_path)


def test_changed_scores_are_found(model: FittedModel, tmp_path: Path) -> None:
    graph = ServingGraph(model)
    graph.item_vectors.assign(graph.item_vectors * 1.001)
    assert {"recommendations", "scores"} <= _failed(graph, model, tmp_path)


def test_a_forgotten_exclusion_is_found(model: FittedModel, tmp_path: Path) -> None:
    graph = ServingGraph(model)
    graph.observed_items.assign(tf.zeros_like(graph.observed_items))
    assert "exclusions" in _failed(graph, model, tmp_path)


def test_a_python_function_is_no_stock_operation(model: FittedModel, tmp_path: Path) -> None:
    graph = ServingGraph(model)
    inner = graph.score

    def score(user_id: tf.Tensor, item_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = inner(user_id, item_ids)["scores"]
        return {"scores": tf.py_function(lambda values: values, [scores], tf.float32)}

    graph.score = score  # type: ignore[method-assign]
    assert "stock operations" in _failed(graph, model, tmp_path)


def test_broken_warmup_is_found(model: FittedModel, tmp_path: Path) -> None:
    graph = ServingGraph(model)
    tf.saved_model.save(graph, str(tmp_path), signatures=signatures(graph))
    (tmp_path / EXTRA).mkdir()
    (tmp_path / EXTRA / WARMUP_FILE).write_bytes(b"no TFRecord at all")
    failed = {check.name for check in check_parity(tmp_path, model) if not check.passed}
    assert failed == {"warm-up"}


def _lists(ids: str, *scores: float) -> Recommendations:
    return Recommendations(np.array([list(ids)], dtype=object), np.array([scores], dtype=np.float32))


def test_equal_scores_may_stand_in_any_order() -> None:
    assert compare_rankings(_lists("abc", 3, 2, 2), _lists("acb", 3, 2, 2)) == ""


def test_a_stranger_among_equal_scores_is_a_difference() -> None:
    assert "rank 2" in compare_rankings(_lists("abcd", 3, 2, 2, 1), _lists("axcd", 3, 2, 2, 1))


def test_items_that_tie_with_the_last_may_stand_for_each_other() -> None:
    assert compare_rankings(_lists("ab", 3, 2), _lists("ax", 3, 2)) == ""


def test_another_order_of_different_scores_is_a_difference() -> None:
    assert "rank 1" in compare_rankings(_lists("ab", 3, 2), _lists("ba", 3, 2))


def test_scores_may_differ_by_the_tolerance_only() -> None:
    assert compare_rankings(_lists("a", 1.0), _lists("a", 1.000005)) == ""
    assert "1 of 1 scores" in compare_rankings(_lists("a", 1.0), _lists("a", 1.0001))


def test_another_length_is_a_difference() -> None:
    assert "shape" in compare_rankings(_lists("ab", 3, 2), _lists("a", 3))
