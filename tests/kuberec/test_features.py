"""The loader of encoded features and what it hands out."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import new_artifact, write_json, write_text
from kuberec.errors import ArtifactError
from kuberec.features import EncodedInteractions, EntityTable, load_features
from kuberec.schema import FeatureType

INFOS = {
    "users": {
        "age": {"type": "numeric", "size": 1, "vocabulary": [], "mean": 40.0, "deviation": 10.0},
        "job": {"type": "categorical", "size": 3, "vocabulary": ["clerk", "judge"], "mean": 0.0, "deviation": 1.0},
    },
    "items": {"tags": {"type": "text", "size": 4, "vocabulary": ["a", "b", "c"], "mean": 0.0, "deviation": 1.0}},
}


def interactions(**columns: list[float]) -> pa.Table:
    schema = pa.schema(
        [
            ("user_index", pa.int32()),
            ("item_index", pa.int32()),
            ("value", pa.float32()),
            ("timestamp", pa.int64()),
            ("label", pa.bool_()),
        ]
    )
    return pa.table(columns, schema=schema)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A features folder written by hand; the items lie in two row groups."""
    with new_artifact(tmp_path / "features", "features") as (target, _):
        write_text(target / "dataset.yaml", "name: hand\ninteractions: {path: x.csv}\n")
        write_json(target / "features.json", INFOS)
        users = {"user_id": ["", "u1", "u2"], "known": [False, True, False], "age": [0.0, -1.5, 2.0], "job": [0, 2, 1]}
        pq.write_table(pa.table(users), target / "users.parquet")
        tags = pa.array([[], [1, 3], [], [2]], pa.list_(pa.int32()))
        items = {"item_id": ["", "i1", "i2", "i3"], "known": [False, True, True, False], "tags": tags}
        pq.write_table(pa.table(items), target / "items.parquet", row_group_size=2)
        train = interactions(
            user_index=[1, 1], item_index=[1, 2], value=[5.0, 1.0], timestamp=[20, 40], label=[True, False]
        )
        pq.write_table(train, target / "train.parquet")
        validation = interactions(
            user_index=[1, 2], item_index=[3, 1], value=[4.0, 4.0], timestamp=[30, 10], label=[True, True]
        )
        pq.write_table(validation, target / "validation.parquet")
    return tmp_path / "features"


def test_every_table_is_read(folder: Path) -> None:
    features = load_features(folder)
    assert features.spec.name == "hand"
    assert features.users.ids.tolist() == ["", "u1", "u2"]
    assert features.users.known.tolist() == [False, True, False]
    assert features.users.columns["age"].tolist() == [0.0, -1.5, 2.0]
    assert features.users.columns["age"].dtype == np.float32
    assert features.users.columns["job"].tolist() == [0, 2, 1]
    assert features.items.columns["tags"].tolist() == [[0, 0], [1, 3], [0, 0], [2, 0]]
    assert {array.dtype for array in (features.users.columns["job"], features.items.columns["tags"])} == {
        np.dtype("i4")
    }
    assert features.content_hash == json.loads((folder / "manifest.json").read_text())["content_hash"]


def test_embeddings_have_their_width_even_where_all_are_missing(tmp_path: Path) -> None:
    info = {"type": "embedding", "size": 3, "vocabulary": [], "mean": 0.0, "deviation": 2.0}
    with new_artifact(tmp_path / "features", "features") as (target, _):
        write_text(target / "dataset.yaml", "name: hand\ninteractions: {path: x.csv}\n")
        write_json(target / "features.json", {"users": {"face": info}, "items": {"image": info}})
        vectors = pa.list_(pa.float32())
        users = {"user_id": ["", "u1"], "known": [False, True], "face": pa.array([[], []], vectors)}
        pq.write_table(pa.table(users), target / "users.parquet")
        images = pa.array([[], [1.5, -2.0, 0.25], []], vectors)
        items = {"item_id": ["", "i1", "i2"], "known": [False, True, False], "image": images}
        pq.write_table(pa.table(items), target / "items.parquet")
        empty = interactions(user_index=[], item_index=[], value=[], timestamp=[], label=[])
        pq.write_table(empty, target / "train.parquet")
        pq.write_table(empty, target / "validation.parquet")
    features = load_features(tmp_path / "features")
    assert features.users.columns["face"].tolist() == [[0.0] * 3] * 2
    assert features.items.columns["image"].tolist() == [[0.0] * 3, [1.5, -2.0, 0.25], [0.0] * 3]
    assert features.items.columns["image"].dtype == np.float32
    assert (features.items.infos["image"].size, features.items.infos["image"].deviation) == (3, 2.0)


def test_infos_are_read_with_their_types(folder: Path) -> None:
    features = load_features(folder)
    assert features.users.infos["age"].type is FeatureType.NUMERIC
    assert (features.users.infos["age"].mean, features.users.infos["age"].deviation) == (40.0, 10.0)
    assert features.items.infos["tags"].vocabulary == ("a", "b", "c")
    assert features.items.infos["tags"].type is FeatureType.TEXT


def test_observed_is_both_parts_by_user_then_time(folder: Path) -> None:
    observed = load_features(folder).observed
    assert observed.user.tolist() == [1, 1, 1, 2]
    assert observed.item.tolist() == [1, 3, 2, 1]
    assert observed.timestamp.tolist() == [20, 30, 40, 10]
    assert observed.label.tolist() == [True, True, False, True]


def test_positives_and_rows_can_be_taken(folder: Path) -> None:
    train = load_features(folder).train
    assert train.positives().item.tolist() == [1]
    assert train.take(np.array([1, 0])).value.tolist() == [1.0, 5.0]
    assert len(train.take(np.array([], dtype=np.int64))) == 0


def test_ties_in_user_and_time_are_ordered_by_item() -> None:
    def rows(items: list[int]) -> EncodedInteractions:
        ones = np.ones(len(items), dtype=np.int32)
        return EncodedInteractions(ones, np.array(items, dtype=np.int32), ones, ones, ones == 1)

    assert EncodedInteractions.concatenate(rows([5, 2]), rows([3])).item.tolist() == [2, 3, 5]


def test_ids_become_indices_and_the_unknown_zero(folder: Path) -> None:
    items = load_features(folder).items
    assert items.indices([["i3", "nothing"], ["", "i1"]]).tolist() == [[3, 0], [0, 1]]
    assert items.indices([]).shape == (0,)
    assert items.indices("i2").tolist() == 2
    assert "" not in items.index
    assert len(items) == 4


def test_a_million_ids_are_looked_up_right() -> None:
    ids = np.array(["", *(f"id {number}" for number in range(1_000_000))], dtype=object)
    table = EntityTable(ids=ids, known=ids != "", columns={}, infos={})
    asked = [f"id {number}" for number in (0, 999_999, 1_000_000, 500_000)]
    assert table.indices(asked).tolist() == [1, 1_000_000, 0, 500_001]


def test_what_is_no_features_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no finished artifact"):
        load_features(tmp_path)
    with new_artifact(tmp_path / "other", "split"):
        pass
    with pytest.raises(ArtifactError, match="holds a 'split' artifact; the output of `featurize` was expected"):
        load_features(tmp_path / "other")


@pytest.mark.parametrize("name", ["users.parquet", "train.parquet", "features.json"])
def test_torn_and_missing_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"cannot be read .*Run `featurize` again"):
        load_features(folder)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"cannot be read .*{name}"):
        load_features(folder)


def test_a_column_changed_by_hand_is_refused(folder: Path) -> None:
    users = pq.read_table(folder / "users.parquet")
    pq.write_table(users.set_column(2, "age", [[0, 1, 2]]), folder / "users.parquet")
    with pytest.raises(ArtifactError, match=r"users\.parquet was changed after it was written"):
        load_features(folder)


def test_described_are_those_whose_features_say_anything() -> None:
    columns = {
        "kind": np.array([0, 0, 2, 0], np.int32),
        "tags": np.array([[0, 0], [0, 0], [0, 0], [1, 0]], np.int32),
        "age": np.zeros(4, np.float32),
    }
    ids = np.array(["", "a", "b", "c"], dtype=object)
    table = EntityTable(ids=ids, known=ids == "a", columns=columns, infos={})
    assert table.described.tolist() == [False, False, True, True]
    assert not EntityTable(ids=ids, known=ids == "a", columns={}, infos={}).described.any()
