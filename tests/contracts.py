"""What every model family must pass: subclass `FamilyContract`, name the family, count its parameters by hand."""

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from kuberec.artifacts import read_manifest
from kuberec.errors import ConfigError, DataError
from kuberec.export import export
from kuberec.exporting.parity import check_parity
from kuberec.features import Features, load_features
from kuberec.featurize import featurize
from kuberec.ingest import ingest
from kuberec.split import split
from kuberec.train import load_model, train
from kuberec.training.config import parse_config
from kuberec.training.data import TrainingData
from kuberec.training.families import load_family
from kuberec.training.fitted import FittedModel
from kuberec.training.loop import build
from kuberec.validate import validate
from tests.kuberec.builders import make_features
from tests.other_backend import ITEMS as ITEM_INPUTS
from tests.other_backend import USERS as USER_INPUTS
from tests.other_backend import small_features

USERS, ITEMS, GROUPS, EVENTS = 120, 60, 3, 16
COLD_USERS, COLD_ITEMS = 6, 6
FAST = {"epochs": 30, "embedding_size": 16, "learning_rate": 0.01, "batch_size": 64, "half_life": None, "dropout": 0.0}
SPEC = """\
name: tastes
interactions: {path: events.csv}
positive: {min_value: 4}
users: {path: users.csv, features: {group: categorical, age: numeric}}
items:
  path: items.csv
  title: title
  features: {title: text, group: multi_categorical}
"""


@dataclass(frozen=True)
class Data:
    """Users of three tastes: the features' folder and what it holds."""

    folder: Path
    features: Features


def write_tastes(folder: Path) -> Path:
    """Events, users and items as CSV; user n and item n belong to group n modulo 3; the last ones have no events."""
    rng = np.random.default_rng(7)
    rows = []
    for user in range(USERS - COLD_USERS):
        own = np.arange(user % GROUPS, ITEMS - COLD_ITEMS, GROUPS)
        others = np.setdiff1d(np.arange(ITEMS - COLD_ITEMS), own)
        for items, value in (
            (rng.choice(own, EVENTS - 3, replace=False), 5),
            (rng.choice(others, 3, replace=False), 2),
        ):
            rows += [(f"u{user}", f"i{item}", value, 1_600_000_000 + int(rng.integers(0, 10**7))) for item in items]
    _write(folder / "events.csv", ("user_id", "item_id", "value", "timestamp"), rows)
    users = [(f"u{user}", f"g{user % GROUPS}", 20 + user % 50) for user in range(USERS)]
    _write(folder / "users.csv", ("user_id", "group", "age"), users)
    named = [(f"i{item}", f"Item {item}", f"g{item % GROUPS}|all") for item in range(ITEMS)]
    _write(folder / "items.csv", ("item_id", "title", "group"), named)
    (folder / "dataset.yaml").write_text(SPEC, encoding="utf-8")
    return folder / "dataset.yaml"


@pytest.fixture(scope="session")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """The data through the real steps, once for all families."""
    root = tmp_path_factory.mktemp("tastes")
    ingest(str(write_tastes(root)), root / "dataset")
    validate(root / "dataset", root / "validated")
    split(root / "validated", root / "split")
    featurize(root / "split", root / "features")
    return Data(root / "features", load_features(root / "features"))


class FamilyContract:
    """Tests of one family."""

    family: ClassVar[str]
    overrides: ClassVar[dict[str, Any]] = {}
    """Hyperparameters to train with, beside those of `FAST`."""
    parameters: ClassVar[int]
    """Trainable parameters at the default configuration on the data of `small_features`, counted by hand."""
    ranks_by_user_features: ClassVar[bool]
    ranks_by_item_features: ClassVar[bool]
    chance_plays_a_part: ClassVar[bool] = True
    """Whether the seed changes the weights."""

    @classmethod
    def settings(cls) -> dict[str, Any]:
        """Those of `FAST` that the family has, and its own."""
        fields = load_family(cls.family).config.model_fields
        return {name: value for name, value in FAST.items() if name in fields} | cls.overrides

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tastes: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp(cls.family) / "model"
        train(tastes.folder, path, family=cls.family, overrides=cls.settings(), seed=3)
        return path

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, folder: Path, tastes: Data) -> FittedModel:
        loaded: FittedModel = load_model(folder, tastes.features)
        return loaded

    def test_config_round_trip(self) -> None:
        config = parse_config(load_family(self.family).config, {"history_length": 7})
        assert parse_config(type(config), config.model_dump(mode="json")) == config

    @pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": -1}, {"loss": "magic"}, {"width": 3}])
    def test_bad_hyperparameter_is_named(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            parse_config(load_family(self.family).config, wrong)

    def test_parameter_count(self) -> None:
        features, family = small_features(self.family), load_family(self.family)
        network = family.network(family.config(), features.users, features.items)
        build(network, TrainingData.of(features, features.train, family.config()))
        assert sum(int(np.prod(variable.shape)) for variable in network.trainable_variables) == self.parameters

    def test_towers_run_on_another_backend(self, tmp_path: Path) -> None:
        features, family = small_features(self.family), load_family(self.family)
        network = family.network(family.config(), features.users, features.items)
        build(network, TrainingData.of(features, features.train, family.config()))
        np.savez(tmp_path / "weights.npz", **{str(n): value.numpy() for n, value in enumerate(network.variables)})
        command = [sys.executable, "-m", "tests.other_backend", self.family]
        files = [str(tmp_path / name) for name in ("weights.npz", "vectors.npz")]
        subprocess.run([*command, *files], check=True, env={**os.environ, "KERAS_BACKEND": "jax"})
        with np.load(tmp_path / "vectors.npz") as vectors:
            assert vectors["backend"] == "jax"
            np.testing.assert_allclose(vectors["users"], network.encode_users(USER_INPUTS), rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(vectors["items"], network.encode_items(ITEM_INPUTS), rtol=1e-5, atol=1e-7)
            scores = network.cross(network.encode_users(USER_INPUTS), network.encode_items(ITEM_INPUTS))
            np.testing.assert_allclose(vectors["scores"], scores, rtol=1e-5, atol=1e-7)

    def test_learns_the_tastes(self, model: FittedModel) -> None:
        users = [f"u{user}" for user in range(USERS - COLD_USERS)]
        lists = model.recommend(users, 5).item_ids
        right = [
            int(item[1:]) % GROUPS == int(user[1:]) % GROUPS
            for user, row in zip(users, lists, strict=True)
            for item in row
        ]
        assert np.mean(right) > 0.8  # by chance a third

    def test_observed_items_are_not_recommended(self, model: FittedModel, tastes: Data) -> None:
        observed = tastes.features.observed
        taken = set(zip(observed.user.tolist(), observed.item.tolist(), strict=True))
        users = tastes.features.users.ids[1:]
        lists = tastes.features.items.indices(model.recommend(list(users), 20).item_ids)
        assert not taken & {(row + 1, int(item)) for row, items in enumerate(lists) for item in items}

    def test_same_seed_gives_the_same_artifact(self, folder: Path, tastes: Data, tmp_path: Path) -> None:
        again = tmp_path / "again"
        train(tastes.folder, again, family=self.family, overrides=self.settings(), seed=3)
        assert read_manifest(again).content_hash == read_manifest(folder).content_hash

    def test_other_seed_gives_another_artifact_where_chance_plays_a_part(
        self, folder: Path, tastes: Data, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        train(tastes.folder, other, family=self.family, overrides=self.settings(), seed=4)
        changed = read_manifest(other).content_hash != read_manifest(folder).content_hash
        assert changed == self.chance_plays_a_part

    def test_unknown_user_gets_the_popular_items(self, model: FittedModel, tastes: Data) -> None:
        positives = tastes.features.observed.positives()
        counts = np.bincount(positives.item, minlength=len(tastes.features.items))
        expected = tastes.features.items.ids[np.argsort(-counts, kind="stable")[:5]]
        assert model.recommend(["nobody"], 5).item_ids[0].tolist() == expected.tolist()

    def test_unknown_item_scores_as_nobodys(self, model: FittedModel) -> None:
        scores = model.score(["u0"], [["nothing", "never", "i0"]])[0]
        assert scores[0] == scores[1]
        assert scores[2] > scores[0]

    def test_empty_request(self, model: FittedModel) -> None:
        assert model.recommend([], 3).item_ids.shape == (0, 3)

    def test_k_above_the_catalogue_gives_every_item_once(self, model: FittedModel) -> None:
        assert sorted(model.recommend(["nobody"], 10**6).item_ids[0]) == sorted(f"i{item}" for item in range(ITEMS))

    def test_session_changes_the_answer_towards_it(self, model: FittedModel) -> None:
        session = ["i1", "i4", "i7"]
        for user in ("u0", "nobody"):
            before, after = (
                model.recommend([user], ITEMS, history).item_ids[0].tolist() for history in (None, [session])
            )
            assert not set(session) & set(after)
            alike = [item for item in after if item and int(item[1:]) % GROUPS == 1]
            assert np.mean([after.index(item) for item in alike]) < np.mean([before.index(item) for item in alike])

    def test_cold_user_with_features(self, model: FittedModel) -> None:
        cold = [f"u{user}" for user in range(USERS - COLD_USERS, USERS)]
        lists = model.recommend(cold, 5).item_ids
        popular = model.recommend(["nobody"], 5).item_ids[0]
        if not self.ranks_by_user_features:
            assert all(row.tolist() == popular.tolist() for row in lists)
            return
        right = [
            int(item[1:]) % GROUPS == int(user[1:]) % GROUPS
            for user, row in zip(cold, lists, strict=True)
            for item in row
        ]
        assert np.mean(right) > 0.6

    def test_cold_item_with_features(self, model: FittedModel) -> None:
        cold = [f"i{item}" for item in range(ITEMS - COLD_ITEMS, ITEMS)]
        scores = model.score(["u0"], [[*cold, "i0", "i3", "i6"]])[0]
        own = [int(item[1:]) % GROUPS == 0 for item in cold]
        if not self.ranks_by_item_features:
            assert scores[: len(cold)].max() < scores[len(cold) :].min()
            return
        assert scores[: len(cold)][own].min() > scores[: len(cold)][~np.array(own)].max()

    def test_export_answers_as_the_model(self, folder: Path, tastes: Data, model: FittedModel, tmp_path: Path) -> None:
        export(folder, tastes.folder, tmp_path / "export")
        assert [check for check in check_parity(tmp_path / "export", model) if not check.passed] == []

    def test_nothing_to_learn_from_is_a_clear_error(self, tastes: Data) -> None:
        features = make_features([("a", "x", 1.0, 1), ("b", "y", 2.0, 2)])
        with pytest.raises(DataError, match="no positive interaction"):
            TrainingData.of(features, features.train, load_family(self.family).config())


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
