"""Every family on data so small that nothing is left to compare with: train, export and validate the export.

Batches are larger than the data, groups larger than a user's positives, histories one item long.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kuberec.errors import DataError, ModelError
from kuberec.export import export
from kuberec.features import load_features
from kuberec.featurize import featurize
from kuberec.ingest import ingest
from kuberec.split import split
from kuberec.train import load_model, train
from kuberec.training.families import family_names, load_family
from kuberec.validate import validate
from kuberec.validate_export import PARITY_FILE, validate_export

SETTINGS = {"epochs": 1, "embedding_size": 4, "batch_size": 64, "group_size": 8, "history_length": 1, "iterations": 2}
SPEC = """\
name: tiny
interactions: {path: events.csv}
positive: {min_value: 4}
users: {path: users.csv, features: {age: numeric}}
items: {path: items.csv, features: {kind: categorical, year: numeric}}
"""
DAY = 86_400

Event = tuple[str, str, int, int]
"""User, item, value, day."""

CASES: dict[str, tuple[list[Event], dict[str, Any]]] = {
    # One positive to train on, and no negative: the user takes everything there is.
    "one user": ([("u", item, 5, day) for day, item in enumerate("abc")], {"strategy": "leave_one_out"}),
    # Positives are repeated, in all parts.
    "one item": ([(f"u{day % 3}", "a", 5, day) for day in range(12)], {}),
}


def prepared(root: Path, events: list[Event], **options: Any) -> Path:
    """The data steps; returns the features' folder."""
    _write(root / "events.csv", "user_id,item_id,value,timestamp", [(*event[:3], event[3] * DAY) for event in events])
    _write(root / "users.csv", "user_id,age", [(user, 20 + len(user)) for user in sorted({e[0] for e in events})])
    _write(root / "items.csv", "item_id,kind,year", [(item, item, "") for item in sorted({e[1] for e in events})])
    repeats = "repeat_consumption: true\n" if len({event[:2] for event in events}) < len(events) else ""
    (root / "dataset.yaml").write_text(SPEC + repeats)
    ingest(str(root / "dataset.yaml"), root / "dataset")
    validate(root / "dataset", root / "validated")
    split(root / "validated", root / "split", **options)
    featurize(root / "split", root / "features")
    return root / "features"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Features of each case."""
    return {
        name: prepared(tmp_path_factory.mktemp(name.replace(" ", "_")), events, **options)
        for name, (events, options) in CASES.items()
    }


def settings(family: str) -> dict[str, Any]:
    return {name: value for name, value in SETTINGS.items() if name in load_family(family).config.model_fields}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("family", family_names())
def test_train_export_and_validate(tiny: dict[str, Path], tmp_path: Path, family: str, case: str) -> None:
    model, exported, parity = tmp_path / "model", tmp_path / "export", tmp_path / "parity"
    train(tiny[case], model, family=family, overrides=settings(family))
    export(model, tiny[case], exported)
    validate_export(exported, model, tiny[case], parity)
    checks = json.loads((parity / PARITY_FILE).read_text())["checks"]
    assert [check for check in checks if not check["passed"]] == []
    features = load_features(tiny[case])
    catalogue = len(features.items) - 1
    fitted = load_model(model, features)
    assert fitted.recommend(["nobody"], 100).item_ids.shape == (1, catalogue)
    # Whoever took everything gets an empty list, and not an item twice.
    taken = {features.items.ids[item] for item in features.observed.item[features.observed.user == 1]}
    offered = fitted.recommend([features.users.ids[1]], 100).item_ids[0].tolist()
    assert sorted(filter(None, offered)) == sorted(set(features.items.ids[1:]) - taken)


@pytest.mark.parametrize("value", [1, 3])
def test_labels_that_are_all_negative_are_refused(tmp_path: Path, value: int) -> None:
    events = [(f"u{day % 3}", f"i{day}", value, day) for day in range(12)]
    with pytest.raises(DataError, match="would hold no positive"):
        prepared(tmp_path, events)


def test_a_silly_learning_rate_is_named(tiny: dict[str, Path], tmp_path: Path) -> None:
    silly = {**settings("matrix_factorization"), "learning_rate": 10, "temperature": 1e-38}
    with pytest.raises(ModelError, match=r"the loss became \w+ in epoch 1\. Lower learning_rate \(now 10"):
        train(tiny["one user"], tmp_path / "model", family="matrix_factorization", overrides=silly)
    assert not (tmp_path / "model").exists()


def _write(path: Path, header: str, rows: list[tuple[Any, ...]]) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
