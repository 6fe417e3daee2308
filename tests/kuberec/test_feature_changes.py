"""A model meets columns that are not those of its training: every path names them, and none answers nonsense."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import new_artifact
from kuberec.cli import main
from kuberec.errors import ArtifactError, DataError, ModelError
from kuberec.evaluate import evaluate
from kuberec.export import export
from kuberec.feature_changes import feature_changes
from kuberec.features import FeatureInfo, load_features, read_infos
from kuberec.featurize import featurize
from kuberec.ingest import ingest
from kuberec.schema import FeatureType
from kuberec.split import split
from kuberec.train import load_model, train
from kuberec.training.config import parse_config
from kuberec.training.families import load_family
from kuberec.training.trainer import new_model
from kuberec.validate import validate
from kuberec.validate_export import validate_export
from tests.kuberec.builders import taste_rows

FAST = {"epochs": 1, "embedding_size": 4, "batch_size": 64}
FAMILY = "two_tower"

Change = Callable[[dict[str, Any]], None]
"""Changes the columns, by name a pair of the feature's type and the values' function of the item's number."""

ITEM_COLUMNS: dict[str, Any] = {
    "colour": ("categorical", lambda n: f"c{n % 3}"),
    "price": ("numeric", lambda n: str(n)),
    "tags": ("multi_categorical", lambda n: f"t{n % 2}|t{n % 5}"),
    "name": ("text", lambda n: f"thing number {n % 4}"),
    "image": ("embedding", lambda n: f"{n}|{n % 2}|1"),
}


@dataclass(frozen=True)
class Folders:
    """A split, its features, and a model with its export where they were made."""

    split: Path
    features: Path
    model: Path
    export: Path


def prepared(root: Path, columns: dict[str, Any]) -> Folders:
    """The data steps over the same interactions with these columns of the items."""
    root.mkdir(exist_ok=True)
    lines = [f"{user},{item},{value},{time}" for user, item, value, time in taste_rows(24, 12, 2, 5)]
    (root / "events.csv").write_text("\n".join(["user_id,item_id,value,timestamp", *lines]))
    rows = [{"item_id": f"i{n:03}", **{name: of(n) for name, (_, of) in columns.items()}} for n in range(12)]
    (root / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    types = "".join(f"\n    {name}: {kind}" for name, (kind, _) in columns.items())
    (root / "dataset.yaml").write_text(
        "name: shop\ninteractions: {path: events.csv}\npositive: {min_value: 4}\n"
        f"items:\n  path: items.jsonl\n  features:{types}\n"
    )
    ingest(str(root / "dataset.yaml"), root / "dataset")
    validate(root / "dataset", root / "validated")
    split(root / "validated", root / "split")
    featurize(root / "split", root / "features")
    return Folders(root / "split", root / "features", root / "model", root / "export")


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """What was trained on, the model and its export."""
    made = prepared(tmp_path_factory.mktemp("then") / "run", ITEM_COLUMNS)
    train(made.features, made.model, family=FAMILY, overrides=FAST)
    export(made.model, made.features, made.export)
    return made


def without(name: str) -> Change:
    return lambda columns: columns.pop(name)


def renamed(old: str, new: str) -> Change:
    return lambda columns: columns.update({new: columns.pop(old)})


def replaced(name: str, kind: str, of: Callable[[int], str]) -> Change:
    return lambda columns: columns.update({name: (kind, of)})


CHANGES = {
    "vanished": (without("colour"), "items.colour, categorical of 3 values in training, is gone"),
    "renamed": (renamed("colour", "color"), "items.color, categorical of 3 values, is new; items.colour, categorical"),
    "other type": (
        replaced("colour", "numeric", lambda n: str(n % 3)),
        "items.colour was categorical of 3 values in training and is numeric",
    ),
    "other length": (
        replaced("image", "embedding", lambda n: f"{n}|1"),
        "items.image was an embedding of 3 numbers in training and is an embedding of 2 numbers",
    ),
    "other vocabulary": (
        replaced("colour", "categorical", lambda n: f"c{n % 2 + 1}"),
        "items.colour has another vocabulary: without 'c0', with the new none",
    ),
    # Of the same sizes, so that every weight would fit.
    "same number of other values": (
        replaced("colour", "categorical", lambda n: f"d{n % 3}"),
        "items.colour has another vocabulary: without 'c",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_path_names_the_column_that_changed(then: Folders, tmp_path: Path, name: str) -> None:
    change, words = CHANGES[name]
    columns = dict(ITEM_COLUMNS)
    change(columns)
    now = prepared(tmp_path / "now", columns)
    asked: list[Callable[[], Any]] = [
        lambda: load_model(then.model, load_features(now.features)),
        lambda: export(then.model, now.features, tmp_path / "out"),
        lambda: evaluate([then.model], now.split, now.features, tmp_path / "out"),
        lambda: validate_export(then.export, then.model, now.features, tmp_path / "out"),
    ]
    for ask in asked:
        with pytest.raises(ArtifactError) as raised:
            ask()
        assert words in str(raised.value)
        assert "restore the columns, or train again" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_the_same(then: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = prepared(tmp_path / "now", {"price": ITEM_COLUMNS["price"]})
    code = main(["export", str(then.model), str(now.features), "-o", str(tmp_path / "out")])
    assert code == ArtifactError.exit_code
    assert "items.colour, categorical of 3 values in training, is gone" in " ".join(capsys.readouterr().err.split())


def test_a_champion_of_other_columns_is_still_compared(then: Folders, tmp_path: Path) -> None:
    now = prepared(tmp_path / "now", {"price": ITEM_COLUMNS["price"]})
    train(now.features, now.model, family=FAMILY, overrides=FAST)
    options: dict[str, Any] = {"baselines": ["popularity"], "resamples": 20}
    evaluate([now.model], now.split, now.features, tmp_path / "new", champion=str(then.export), **options)
    evaluate([then.model], then.split, then.features, tmp_path / "old", **options)
    new, old = (json.loads((tmp_path / name / "metrics.json").read_text())["recommenders"] for name in ("new", "old"))
    # It holds its own vectors, so it answers as it does beside its own features.
    assert new["champion"]["slices"] == old[FAMILY]["slices"]


def test_training_again_fits_the_new_columns(tmp_path: Path) -> None:
    now = prepared(tmp_path / "now", {"price": ITEM_COLUMNS["price"]})
    checkpoints = tmp_path / "checkpoints"
    train(now.features, now.model, family=FAMILY, overrides=FAST, checkpoints=checkpoints)
    features = load_features(now.features)
    assert load_model(now.model, features).recommend(["u001"], 3).item_ids.shape == (1, 3)
    assert read_infos(now.model)["items"] == features.items.infos


def test_columns_that_hold_nothing_are_as_if_missing(tmp_path: Path) -> None:
    """A column whose every value is missing encodes as the unknown, whatever its type; training and export go on."""
    columns = {name: (kind, lambda n: "") for name, (kind, _) in ITEM_COLUMNS.items()}
    now = prepared(tmp_path / "now", columns)
    features = load_features(now.features)
    assert {name: info.size for name, info in features.items.infos.items()} == dict.fromkeys(ITEM_COLUMNS, 1)
    assert not features.items.described.any()
    for family in ("content_based", "wide_deep"):
        train(now.features, tmp_path / family, family=family, overrides=FAST)
        export(tmp_path / family, now.features, tmp_path / "export")
        assert validate_export(tmp_path / "export", tmp_path / family, now.features, tmp_path / "parity").facts[
            "passed"
        ]


def test_what_is_no_model_is_refused(then: Folders) -> None:
    with pytest.raises(ArtifactError, match="holds a 'export' artifact; the output of `train` was expected"):
        load_model(then.export, load_features(then.features))


def test_weights_that_were_changed_are_refused(then: Folders, tmp_path: Path) -> None:
    shutil.copytree(then.model, tmp_path / "model")
    (tmp_path / "model" / "weights.npz").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"weights\.npz was changed after it was written"):
        load_model(tmp_path / "model", load_features(then.features))


def test_weights_of_another_network_are_refused(then: Folders) -> None:
    features, family = load_features(then.features), load_family(FAMILY)
    with np.load(then.model / "weights.npz") as stored:
        weights = [stored[str(number)] for number in range(len(stored.files))]
    with pytest.raises(ModelError, match=r"the weights do not fit two_tower: shapes .* train again"):
        new_model(family, parse_config(family.config, {"embedding_size": 5}), features, weights)
    with pytest.raises(ModelError, match="the weights do not fit two_tower"):
        new_model(family, parse_config(family.config, {"embedding_size": 4}), features, weights[:-1])


def test_every_change_of_a_table_is_listed_once() -> None:
    trained = {
        "a": FeatureInfo(FeatureType.CATEGORICAL, 7, tuple("uvwxyz")),
        "b": FeatureInfo(FeatureType.NUMERIC, 1, mean=3.0),
        "c": FeatureInfo(FeatureType.TEXT, 1),
    }
    now = {
        "a": FeatureInfo(FeatureType.CATEGORICAL, 3, ("z", "new")),
        "b": FeatureInfo(FeatureType.NUMERIC, 1, mean=4.0),
        "d": FeatureInfo(FeatureType.NUMERIC, 1),
    }
    assert list(feature_changes("users", trained, now)) == [
        "users.a has another vocabulary: without 'u', 'v', 'w' and 2 more, with the new 'new'",
        "users.c, text of 0 values in training, is gone",
        "users.d, numeric, is new",
    ]
    assert list(feature_changes("users", trained, trained)) == []


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array(["1", "2"]), "'price' as numeric, and the column holds string"),
        (pa.array([[1.0], [2.0]]), "the column holds array<float64>"),
    ],
)
def test_a_raw_column_of_another_type_than_declared_is_named(tmp_path: Path, column: pa.Array, found: str) -> None:
    made = prepared(tmp_path / "run", {"price": ITEM_COLUMNS["price"]})
    with new_artifact(tmp_path / "split", "split") as (folder, _):
        shutil.copytree(made.split, folder, dirs_exist_ok=True)
        pq.write_table(pa.table({"item_id": ["i000", "i001"], "price": column}), folder / "items.parquet")
    with pytest.raises(DataError, match=found):
        featurize(tmp_path / "split", tmp_path / "features")
