"""What families answer where they know nothing; docs/training.md has the table.

`tests/contracts.py` asks every family about cold users, cold items and sessions where there are features.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kuberec.errors import ConfigError, ModelError
from kuberec.export import export
from kuberec.exporting.parity import compare_rankings
from kuberec.features import load_features
from kuberec.recommender import Recommendations
from kuberec.serving.testing import model_server
from kuberec.train import load_model, train
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import family_names, load_family
from kuberec.training.fitted import FittedModel
from kuberec.training.trainer import fit
from tests.kuberec.builders import make_features, taste_rows
from tests.kuberec.conftest import Run, run
from tests.kuberec.serving.rpc import predict

__all__ = ["run"]

FAST = {"epochs": 1, "embedding_size": 4, "batch_size": 64, "hidden_sizes": (4,), "iterations": 2}
NEEDS_ITEM_FEATURES = ("content_based",)
ROWS = [*taste_rows(12, 8, 2, 5), ("cold", "i000", 1.0, 3), ("cold", "unloved", 1.0, 4)]


@pytest.mark.parametrize("family", sorted(set(family_names()) - set(NEEDS_ITEM_FEATURES)))
def test_without_features_the_cold_are_as_unknown(family: str) -> None:
    features, chosen = make_features(ROWS, ROWS[:1]), load_family(family)
    fields = chosen.config.model_fields
    config = parse_config(chosen.config, {name: value for name, value in FAST.items() if name in fields})
    model = fit(chosen, config, features, TrainingRun()).model
    assert not model.personal[features.users.indices("cold")]
    popular = model.recommend(["nobody"], 9).item_ids[0].tolist()
    left = [item for item in popular if item not in ("i000", "unloved")]  # which the cold user had and did not like
    assert model.recommend(["cold"], 9).item_ids[0].tolist() == [*left, "", ""]
    unloved, unknown = model.score(["u000"], [["unloved", "nothing"]])[0]
    assert unloved == unknown
    assert model.similar_items(["unloved"], 3).item_ids.tolist() == [["", "", ""]]


def test_content_based_without_item_features_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"features of the items, and the dataset has none.*dataset\.yaml"):
        train(run.features, tmp_path / "model", family="content_based")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"epochs": 3}, {"learning_rate": 0.1, "batch_size": 64}])
def test_what_is_solved_for_has_no_passes(run: Run, tmp_path: Path, wrong: dict[str, Any]) -> None:
    names = ", ".join(sorted(wrong))
    with pytest.raises(ConfigError, match=rf"solved for, not trained in passes, and has no {names}\..*alphas"):
        train(run.features, tmp_path / "model", family="als", overrides=wrong)


@pytest.fixture(scope="module", params=["matrix_factorization", "triplet"])
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A family's model and its export as `model` and `repository/recommender/1`: without and with a history tower."""
    root = tmp_path_factory.mktemp(request.param)
    settings = {"epochs": 1, "embedding_size": 4, "batch_size": 64}
    train(run.features, root / "model", family=request.param, overrides=settings)
    export(root / "model", run.features, root / "repository" / "recommender" / "1")
    return root


def texts(*shape: int, values: Any = None) -> Any:
    """A tensor of texts; without values, an empty one of that shape."""
    return tf.make_tensor_proto([] if values is None else values, tf.string, shape)


ASKED: dict[str, tuple[list[str], list[list[str]] | None]] = {
    "only unknown users": (["x", "y", ""], None),
    "only unknown items in the history": (["x", "u001"], [["q", "r"], ["", "q"]]),
    "empty histories": (["x", "u001"], [[], []]),
    "no users": ([], None),
    "no users and no histories": ([], []),
}


def test_batches_that_say_nothing_are_answered_alike_by_model_export_and_server(folder: Path, run: Run) -> None:
    model: FittedModel = load_model(folder / "model", load_features(run.features))
    saved = tf.saved_model.load(str(folder / "repository" / "recommender" / "1")).signatures["recommend"]
    popular = model.recommend(["nobody"], 3)
    with model_server(folder / "repository") as address:
        for name, (users, histories) in ASKED.items():
            ours = model.recommend(users, 3, histories)
            width = max(map(len, histories or []), default=0)
            lists = texts(len(users), width, values=histories if width else None)
            inputs = {"user_id": texts(len(users), values=users or None), "k": 3, "history_item_ids": lists}
            outputs = predict(address, "recommender", inputs, signature="recommend").outputs
            served = {key: tf.make_ndarray(value) for key, value in outputs.items()}
            exported = saved(
                user_id=tf.constant(users, tf.string, [len(users)]),
                k=tf.constant(3),
                exclude_item_ids=tf.zeros([1, 0], tf.string),
                allow_item_ids=tf.zeros([1, 0], tf.string),
                categories=tf.zeros([1, 0], tf.string),
                history_item_ids=tf.constant(tf.make_ndarray(lists), tf.string, [len(users), width]),
            )
            for theirs in (served, {key: value.numpy() for key, value in exported.items()}):
                ids = np.array([item.decode() for item in theirs["item_ids"].ravel()], dtype=object)
                assert compare_rankings(ours, Recommendations(ids.reshape(len(users), 3), theirs["scores"])) == "", name
            for user, row in zip(users, ours.item_ids, strict=True):
                if user != "u001":
                    assert row.tolist() == popular.item_ids[0].tolist(), name


@pytest.mark.parametrize("k", [0, -3])
def test_a_k_below_one_asks_for_nothing(folder: Path, run: Run, k: int) -> None:
    model: FittedModel = load_model(folder / "model", load_features(run.features))
    assert model.recommend(["x", "u001"], k).item_ids.shape == (2, 0)
    with model_server(folder / "repository") as address:
        answer = predict(address, "recommender", {"user_id": ["x", "u001"], "k": k}, signature="recommend").outputs
    assert tf.make_ndarray(answer["item_ids"]).shape == (2, 0)


def test_empty_and_uneven_lists_to_score(folder: Path, run: Run) -> None:
    model: FittedModel = load_model(folder / "model", load_features(run.features))
    assert model.score([], []).shape == (0, 0)
    assert model.score(["u001", "x"], [[], []]).shape == (2, 0)
    assert model.similar_items([], 3).item_ids.shape == (0, 3)
    scores = model.score(["u001", "x"], [["i001", "i002"], ["i001"]])
    assert scores[1, 1] == model.score(["x"], [["nothing"]])[0, 0]
    with pytest.raises(ModelError, match="item_ids: one list of item ids for each of the 2 users was expected, got 1"):
        model.score(["u001", "x"], [["i001"]])
    with pytest.raises(ModelError, match=r"histories: .* 1 users was expected, got the text 'i001'"):
        model.recommend(["u001"], 3, ["i001"])
