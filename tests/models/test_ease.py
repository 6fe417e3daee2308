import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kuberec.errors import ConfigError
from kuberec.export import export
from kuberec.features import Features
from kuberec.retrieval.exact import BLOCK
from kuberec.train import train
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import load_family
from kuberec.training.fitted import FittedModel
from kuberec.training.trainer import fit
from tests.contracts import Data, FamilyContract
from tests.kuberec.builders import entity_table, make_features, taste_rows


class TestEASE(FamilyContract):
    family = "ease"
    parameters = 5 * 4  # from each of 4 items to each, and a row for the unknown item
    ranks_by_user_features = False
    ranks_by_item_features = False
    chance_plays_a_part = False

    def test_an_export_stores_no_vector_of_a_user(self, folder: Path, tastes: Data, tmp_path: Path) -> None:
        export(folder, tastes.folder, tmp_path / "export")
        items = len(tastes.features.items)
        stored = tf.train.list_variables(str(tmp_path / "export" / "variables" / "variables"))
        width = items + -items % (2 * BLOCK)
        assert [shape for _, shape in stored if len(shape) > 1] == [[items + 1, width]]  # the items' alone, once

    def test_the_history_of_the_search_names_the_candidates(self, folder: Path) -> None:
        history = json.loads((folder / "history.json").read_text())
        tried = [(record["regularization"], record["history_length"]) for record in history]
        regularizations = (10, 30, 100, 250, 600, 1500, 3000)
        assert tried == [(strength, length) for strength in regularizations for length in (0, 20, 5)]


def fitted(features: Features, **overrides: Any) -> FittedModel:
    family = load_family("ease")
    return fit(family, parse_config(family.config, overrides), features, TrainingRun()).model


def closed_form(features: Features, regularization: float) -> tuple[Any, Any]:
    """The positives `[users, items]` and the weights as Steck 2019 writes them, in double precision."""
    known = features.observed.positives()
    taken = np.zeros((len(features.users) - 1, len(features.items) - 1))
    taken[known.user - 1, known.item - 1] = 1
    inverse = np.linalg.inv(taken.T @ taken + regularization * np.eye(taken.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)
    return taken, weights


def test_scores_are_the_closed_form_of_all_positives() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    model = fitted(features, regularizations=[10.0])
    users, items = features.users.ids[1:].tolist(), features.items.ids[1:].tolist()
    taken, weights = closed_form(features, 10.0)
    np.testing.assert_allclose(model.score(users, [items] * len(users)), taken @ weights, atol=1e-5)


def test_the_most_recent_positives_alone_count_where_that_was_chosen() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    model = fitted(features, regularizations=[10.0], history_lengths=[2])
    _, weights = closed_form(features, 10.0)
    histories = np.array([[4, 6, 3, 0], [5, 0, 0, 0], [0, 0, 0, 0], [7, 0, 2, 9]])
    vectors = np.asarray(model.network.encode_users({"history": histories}))
    counted = np.zeros((4, 12))
    counted[[0, 0, 1, 3, 3], [5, 2, 4, 1, 8]] = 1
    np.testing.assert_array_equal(vectors[:, :-1], counted)
    last = model.data.histories[np.array([7])][0][-2:] - 1
    users, items = [features.users.ids[7]], features.items.ids[1:].tolist()
    np.testing.assert_allclose(model.score(users, [items])[0], weights[last].sum(axis=0), atol=1e-5)


def test_validation_chooses_how_long_a_history_counts() -> None:
    # Everybody walks along a ring. What was taken says that the walk goes on at one of two ends, its order at which.
    walks = [[(start + step) % 60 for step in range(9)] for start in range(60)]
    rows = [
        [(f"u{user:03}", f"i{item:03}", 5.0, day) for day, item in enumerate(walk)] for user, walk in enumerate(walks)
    ]
    features = make_features([row for walk in rows for row in walk[:-1]], [walk[-1] for walk in rows])
    family = load_family("ease")
    config = parse_config(family.config, {"regularizations": [1.0], "history_lengths": [0, 3]})
    training = fit(family, config, features, TrainingRun())
    assert [record["history_length"] for record in training.history] == [0, 3]
    assert training.history[0]["ndcg@10"] < training.history[1]["ndcg@10"]
    network: Any = training.model.network
    assert network.most_recent.numpy() == 3


def test_a_session_is_the_multi_hot_of_its_items() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    model = fitted(features, regularizations=[10.0], session_weight=2.0)
    taken, weights = closed_form(features, 10.0)
    session = np.zeros(12)
    session[[3, 5]] = 1
    histories = np.array([[4, 6, 0]])
    for user, expected in ((0, session @ weights), (7, (taken[6] + session) / 2 @ weights)):
        vectors = model.session_vectors(np.array([user]), histories)
        np.testing.assert_allclose((vectors @ model.item_vectors.T)[0, 1:], expected, atol=1e-5)


def test_similar_items_are_those_with_the_largest_weights_from_an_item() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    answer = fitted(features, regularizations=[10.0]).similar_items(["i004"], 3)
    _, weights = closed_form(features, 10.0)
    order = np.argsort(-weights[4])[:3]
    assert answer.item_ids[0].tolist() == features.items.ids[1:][order].tolist()
    np.testing.assert_allclose(answer.scores[0], weights[4, order], atol=1e-5)


def test_only_the_most_recent_positives_count_where_a_history_has_a_length() -> None:
    rows = [(f"u{n}", item, 5.0, time) for n in range(9) for time, item in enumerate("ab" if n % 2 else "cd")]
    features = make_features([*rows, ("w", "a", 5.0, 1), ("w", "c", 5.0, 2)])
    model = fitted(features, history_length=1, regularizations=[1.0])
    after_c, both = (fitted(features, history_length=n, regularizations=[1.0]).score(["w"], [["d"]]) for n in (1, None))
    assert model.recommend(["w"], 1).item_ids.tolist() == [["d"]]
    assert after_c[0, 0] != both[0, 0]


def test_an_item_without_positives_scores_below_all_others_for_everybody() -> None:
    pairs = np.argwhere(np.random.default_rng(0).random((40, 20)) < 0.3)
    rows = [(f"u{user}", f"i{item}", 5.0, 0) for user, item in pairs]
    features = make_features(rows, items=[*(f"i{item}" for item in range(20)), "new"])
    model = fitted(features, regularizations=[1.0])
    users, items = features.users.ids[1:].tolist(), features.items.ids[1:].tolist()
    scores = model.score(users, [items] * len(users))
    assert scores[:, :-1].min() < 0
    assert (scores[:, -1:] < scores[:, :-1]).all()


def test_a_catalogue_above_the_limit_is_refused_before_memory_is_taken() -> None:
    family, users = load_family("ease"), entity_table(["u"])
    items = entity_table([str(n) for n in range(20_001)])
    tracemalloc.start()
    with pytest.raises(ConfigError, match=r"20,001 items and most_items is 20,000.* 1\.6 GB"):
        family.network(family.config(), users, items)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_larger_catalogue_is_refused_by_the_step(tastes: Data, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="most_items is 59"):
        train(tastes.folder, tmp_path / "model", family="ease", overrides={"most_items": 59})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("wrong", [{"regularizations": [0.0]}, {"regularizations": []}, {"most_items": 0}])
def test_a_setting_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        parse_config(load_family("ease").config, wrong)
