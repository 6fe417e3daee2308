"""Featurize: what is fitted on what, and every code where it belongs."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import new_artifact, read_manifest, write_text
from kuberec.dataset import DATASET_FILE
from kuberec.errors import ArtifactError, DataError
from kuberec.features import Features, load_features
from kuberec.featurize import featurize
from kuberec.ingest import ingest
from kuberec.schema import ITEM, USER, FeatureType
from kuberec.split import split
from kuberec.validate import validate
from tests.kuberec.test_split import LIKED, Event, many_events, validated

RULES = f"""
{LIKED}
users: {{path: u.csv, features: {{age: numeric, height: numeric, job: categorical}}}}
items: {{path: i.csv, title: title, features: {{genres: multi_categorical, title: text}}}}
"""
GENRES = pa.list_(pa.string())

# Ten ratings at ten times: u4 and i4 are seen in validation first, u5 and i5 in test only.
EVENTS: list[Event] = [
    ("u1", "i1", "rate", 5.0, 0),
    ("u2", "i1", "rate", 4.0, 1),
    ("u3", "i2", "rate", 1.0, 2),
    ("u3", "i3", "rate", 2.0, 3),
    ("u2", "i3", "rate", 4.5, 4),
    ("u1", "i2", "rate", 2.0, 5),
    ("u2", "i2", "rate", 3.0, 6),
    ("u1", "i3", "rate", 5.0, 6),
    ("u4", "i4", "rate", 5.0, 8),
    ("u5", "i5", "rate", 5.0, 9),
]
USERS = pa.table(
    {
        USER: ["u9", "u1", "u2", "u3", "u4"],
        "age": [1000.0, 20.0, 30.0, None, 70.0],
        "height": [1.0, 2.0, 2.0, float("inf"), float("nan")],
        "job": ["clerk", "baker", "", "cook", "judge"],
    }
)
ITEMS = pa.table(
    {
        ITEM: ["i1", "i2", "i3", "i4"],
        "genres": pa.array([["b", "a", "a"], ["a", ""], None, ["c", "a"]], GENRES),
        "title": ["The Über-Cat, the cat", "the ÜBER dog 7", "नमस्ते 7", "the dog: alone"],
    }
)


def features_of(tmp_path: Path, events: list[Event] = EVENTS, **tables: pa.Table) -> Features:
    """Validate's folder by hand, then `split` and `featurize` into `split` and `features`."""
    source = with_tables(tmp_path, events, **{"users": USERS, "items": ITEMS, **tables})
    split(source, tmp_path / "split")
    featurize(tmp_path / "split", tmp_path / "features")
    return load_features(tmp_path / "features")


def with_tables(tmp_path: Path, events: list[Event], **tables: pa.Table) -> Path:
    plain = validated(tmp_path / "plain", events, RULES)
    with new_artifact(tmp_path / "validated", "validated") as (folder, _):
        (folder / "interactions.parquet").write_bytes((plain / "interactions.parquet").read_bytes())
        write_text(folder / DATASET_FILE, (plain / DATASET_FILE).read_text())
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
    return tmp_path / "validated"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `validated`, `split` and `features` of the small dataset; only read."""
    root = tmp_path_factory.mktemp("small")
    features_of(root)
    return root


@pytest.fixture(scope="module")
def features(folder: Path) -> Features:
    return load_features(folder / "features")


def row(features: Features, table: str, key: str) -> dict[str, Any]:
    entities = getattr(features, table)
    return {name: column[entities.index[key]].tolist() for name, column in entities.columns.items()}


def test_ids_are_those_of_train_validation_and_tables_in_byte_order(features: Features) -> None:
    assert features.users.ids.tolist() == ["", "u1", "u2", "u3", "u4", "u9"]
    assert features.items.ids.tolist() == ["", "i1", "i2", "i3", "i4"]
    assert [len(features.train), len(features.validation)] == [8, 1]


def test_known_means_a_positive_in_train(features: Features) -> None:
    assert features.users.known.tolist() == [False, True, True, False, False, False]
    assert features.items.known.tolist() == [False, True, False, True, False]


def test_interactions_are_ordered_by_user_then_time(features: Features) -> None:
    train = features.train
    assert train.user.tolist() == [1, 1, 1, 2, 2, 2, 3, 3]
    assert train.item.tolist() == [1, 2, 3, 1, 3, 2, 2, 3]
    assert train.timestamp.tolist() == [seconds * 1_000_000 for seconds in (0, 5, 6, 1, 4, 6, 2, 3)]
    assert train.value.tolist() == [5.0, 2.0, 5.0, 4.0, 4.5, 3.0, 1.0, 2.0]
    assert train.label.tolist() == [True, False, True, True, True, False, False, False]
    assert [column.dtype for column in (train.user, train.item, train.value)] == [np.int32, np.int32, np.float32]


def test_numbers_are_standardised_over_the_users_of_train(features: Features) -> None:
    info = features.users.infos["age"]
    assert (info.mean, info.deviation) == (25.0, 5.0)  # of 20 and 30; u4 and u9 are not in train, u3 has no age
    assert features.users.columns["age"].tolist() == [0.0, -1.0, 1.0, 0.0, 9.0, 195.0]
    assert features.users.columns["age"].dtype == np.float32


def test_constant_and_unusable_numbers_do_no_harm(features: Features) -> None:
    info = features.users.infos["height"]
    assert (info.mean, info.deviation) == (2.0, 1.0)
    assert features.users.columns["height"].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, -1.0]


def test_categories_are_coded_by_count_then_name(features: Features) -> None:
    assert features.users.infos["job"].vocabulary == ("baker", "cook")
    assert features.users.infos["job"].size == 3
    assert features.users.columns["job"].tolist() == [0, 1, 0, 2, 0, 0]
    assert features.users.columns["job"].dtype == np.int32


def test_several_categories_are_distinct_sorted_and_padded(features: Features) -> None:
    assert features.items.infos["genres"].vocabulary == ("a", "b")
    assert features.items.columns["genres"].tolist() == [[0, 0], [1, 2], [1, 0], [0, 0], [1, 0]]


def test_text_becomes_the_words_of_at_least_two_texts(features: Features) -> None:
    info = features.items.infos["title"]
    assert info.type is FeatureType.TEXT
    assert info.vocabulary == ("7", "the", "über")  # twice each; "cat" stands twice, but in one text
    assert [row(features, "items", item)["title"] for item in ("i1", "i2", "i3", "i4")] == [
        [2, 3, 0],
        [1, 2, 3],
        [1, 0, 0],
        [2, 0, 0],
    ]


def test_a_vocabulary_of_words_ends_at_5000(tmp_path: Path) -> None:
    words = [f"w{number:05}" for number in range(6_000)]
    titles = [" ".join(words), " ".join(words), "w05999", None]
    features = features_of(tmp_path, items=ITEMS.set_column(2, "title", pa.array(titles)))
    assert features.items.infos["title"].vocabulary == ("w05999", *words[:4_999])


IMAGES = pa.list_(pa.float32())


def with_images(tmp_path: Path, images: list[list[float] | None]) -> Features:
    """The small dataset's items i1 to i4, of which i4 is not in train, with a vector each."""
    rules = f"{LIKED}\nitems: {{path: i.csv, features: {{image: embedding}}}}"
    plain = validated(tmp_path / "p", EVENTS, rules)
    table = pa.table({ITEM: ["i1", "i2", "i3", "i4"], "image": pa.array(images, IMAGES)})
    pq.write_table(table, plain / "items.parquet")
    split(plain, tmp_path / "s")
    featurize(tmp_path / "s", tmp_path / "f")
    return load_features(tmp_path / "f")


def test_embeddings_are_scaled_by_the_entries_of_train(tmp_path: Path) -> None:
    features = with_images(tmp_path, [[1.0, -7.0], None, [5.0, 5.0], [100.0, 0.0]])
    info = features.items.infos["image"]
    assert (info.size, info.mean, info.deviation, info.vocabulary) == (2, 0.0, 5.0, ())  # (1 + 49 + 25 + 25) / 4 = 25
    expected = np.array([[0, 0], [0.2, -1.4], [0, 0], [1, 1], [20, 0]], dtype=np.float32)
    np.testing.assert_array_equal(features.items.columns["image"], expected)
    assert features.items.columns["image"].dtype == np.float32


def test_embeddings_of_zeros_are_not_divided_by_zero(tmp_path: Path) -> None:
    features = with_images(tmp_path, [[0.0, 0.0], [0.0, 0.0], None, [3.0, 4.0]])
    assert features.items.infos["image"].deviation == 1.0
    assert features.items.columns["image"].tolist() == [[0, 0], [0, 0], [0, 0], [0, 0], [3, 4]]


def test_embeddings_that_train_does_not_have_are_zeros(tmp_path: Path) -> None:
    features = with_images(tmp_path, [None, None, None, [3.0, 4.0]])
    assert features.items.infos["image"].size == 1
    assert features.items.columns["image"].tolist() == [[0.0]] * 5


def test_embeddings_go_through_every_data_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    images = rng.normal(3, 2, (40, 16)).astype(np.float32)
    lines = [f"i{item}\t{' '.join(map(str, image))}" for item, image in enumerate(images)]
    lines[7], lines[8] = "i7\t1 2 3", "i8\tbroken"
    (tmp_path / "items.tsv").write_text("item_id\timage\n" + "\n".join(lines) + "\n")
    events = [f"u{n % 9},i{n % 40},{n}" for n in range(400)]
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(events) + "\n")
    (tmp_path / "dataset.yaml").write_text(
        "name: pictures\ninteractions: {path: events.csv}\nrepeat_consumption: true\n"
        "items: {path: items.tsv, features: {image: {type: embedding, separator: ' '}}}\n"
    )
    ingest(str(tmp_path / "dataset.yaml"), tmp_path / "dataset")
    validate(tmp_path / "dataset", tmp_path / "validated")
    split(tmp_path / "validated", tmp_path / "split")
    featurize(tmp_path / "split", tmp_path / "features")
    items = load_features(tmp_path / "features").items
    images[[7, 8]] = 0
    rms = np.sqrt((np.delete(images, [7, 8], axis=0).astype(np.float64) ** 2).mean())
    assert items.infos["image"].deviation == pytest.approx(rms, rel=1e-12)
    found = items.columns["image"][items.indices([f"i{item}" for item in range(40)])]
    np.testing.assert_allclose(found, images / rms, rtol=1e-6)
    assert not found[[7, 8]].any()
    featurize(tmp_path / "split", tmp_path / "again")
    assert read_manifest(tmp_path / "again").files == read_manifest(tmp_path / "features").files


def test_the_unknown_has_no_features(features: Features) -> None:
    for table in (features.users, features.items):
        assert all(not np.any(column[0]) for column in table.columns.values())


def test_test_rows_leave_no_trace(folder: Path, features: Features, tmp_path: Path) -> None:
    other = [*EVENTS[:-1], ("stranger", "novelty", "rate", 4.0, 99)]
    changed = features_of(tmp_path, other)
    assert changed.content_hash == features.content_hash
    assert b"u5" not in b"".join(path.read_bytes() for path in (folder / "features").iterdir())


def test_vocabularies_forget_what_validation_alone_has(features: Features) -> None:
    assert "judge" not in features.users.infos["job"].vocabulary
    assert "c" not in features.items.infos["genres"].vocabulary


def test_the_manifest_counts_and_names_its_parent(folder: Path) -> None:
    manifest = read_manifest(folder / "features")
    assert manifest.rows == {"train": 8, "validation": 1, "users": 5, "items": 4}
    assert manifest.parents == {"split": read_manifest(folder / "split").content_hash}


def test_titles_are_kept_for_people(folder: Path) -> None:
    titles = pq.read_table(folder / "features" / "titles.parquet").to_pylist()
    assert titles[0] == {"item_id": "i1", "title": "The Über-Cat, the cat"}


def test_a_dataset_without_features_has_ids_alone(tmp_path: Path) -> None:
    split(validated(tmp_path / "v", EVENTS, LIKED), tmp_path / "s")
    featurize(tmp_path / "s", tmp_path / "f")
    features = load_features(tmp_path / "f")
    assert features.users.ids.tolist() == ["", "u1", "u2", "u3", "u4"]
    assert features.users.columns == features.items.columns == {}
    assert json.loads((tmp_path / "f" / "features.json").read_text()) == {"users": {}, "items": {}}


def test_large_input_agrees_with_numpy_and_gives_the_same_bytes(tmp_path: Path) -> None:
    rng = random.Random(5)
    events = many_events(5_000, users=500, items=300)
    ids = sorted({event[0] for event in events})
    ages = [rng.choice([None, rng.gauss(40, 12)]) for _ in ids]
    jobs = [rng.choice([None, "a", "b", "c", "rare"]) for _ in ids]
    users = pa.table({USER: ids, "age": pa.array(ages, pa.float64()), "height": [1.0] * len(ids), "job": jobs})
    features = features_of(tmp_path, events, users=users)
    seen = {str(features.users.ids[user]) for user in features.train.user}
    known = np.array([age for user, age in zip(ids, ages, strict=True) if user in seen and age is not None])
    assert features.users.infos["age"].mean == pytest.approx(known.mean(), rel=1e-12)
    assert features.users.infos["age"].deviation == pytest.approx(known.std(), rel=1e-12)
    expected = [0.0 if age is None else (age - known.mean()) / known.std() for age in ages]
    np.testing.assert_allclose(features.users.columns["age"][1:], expected, rtol=1e-5, atol=1e-6)
    vocabulary = features.users.infos["job"].vocabulary
    assert [vocabulary[code - 1] if code else None for code in features.users.columns["job"][1:]] == jobs
    featurize(tmp_path / "split", tmp_path / "again")
    assert read_manifest(tmp_path / "again").files == read_manifest(tmp_path / "features").files


def test_odd_ids_and_odd_feature_names_survive(tmp_path: Path) -> None:
    ids = ["ü 漢字", "two\nlines", "'; --", "🎬", "\t", "Z", "z", "a\\b"]
    events: list[Event] = [(user, user, "rate", 5.0, time) for time, user in enumerate(ids)]
    table = pa.table({USER: ids, 'age of, "user" (x)': [float(n) for n in range(8)]})
    rules = "users: {path: u.csv, features: {'age of, \"user\" (x)': numeric}}"
    plain = validated(tmp_path / "p", events, rules)
    pq.write_table(table, plain / "users.parquet")
    split(plain, tmp_path / "s", validation_share=0.2, test_share=0.2)
    featurize(tmp_path / "s", tmp_path / "f")
    features = load_features(tmp_path / "f")
    assert features.users.ids[1:].tolist() == sorted(ids, key=lambda key: key.encode())
    assert features.items.indices(ids[:4]).tolist() == [features.items.index[key] for key in ids[:4]]
    column = features.users.columns['age of, "user" (x)']
    assert np.all(np.diff(column[features.users.indices(ids)]) > 0)


def test_a_vanished_feature_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"users\.parquet has no column 'job', which dataset\.yaml declares; it has us"):
        features_of(tmp_path, users=USERS.drop_columns(["job"]))
    assert not (tmp_path / "features").exists()


def test_a_vanished_table_is_named(tmp_path: Path) -> None:
    source = with_tables(tmp_path, EVENTS, users=USERS)
    split(source, tmp_path / "split")
    with pytest.raises(ArtifactError, match=r"items\.parquet is missing"):
        featurize(tmp_path / "split", tmp_path / "features")


def test_an_id_that_stands_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"users\.parquet holds the user_id 'u2' more than once"):
        features_of(tmp_path, users=pa.concat_tables([USERS, USERS.slice(2, 1)]))


def test_only_a_split_is_encoded(tmp_path: Path) -> None:
    source = validated(tmp_path / "v", EVENTS)
    with pytest.raises(ArtifactError, match="holds a 'validated' artifact; the output of `split` was expected"):
        featurize(source, tmp_path / "f")
