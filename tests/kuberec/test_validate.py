import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import Manifest, read_manifest
from kuberec.errors import ArtifactError, ConfigError, DataError
from kuberec.ingest import ingest
from kuberec.schema import INTERACTION_SCHEMA
from kuberec.validate import validate

HEADER = "user_id,item_id,value,timestamp\n"
SPEC = """\
name: test
interactions: {path: events.csv, value_range: [1, 5]}
positive: {min_value: 4}
"""
ENTITIES = """\
users: {path: users.csv, features: {age: numeric, town: categorical}}
items: {path: items.csv, features: {tags: multi_categorical}}
"""


def run(folder: Path, events: str, entities: str = "", **options: Any) -> Manifest:
    """Ingest and validate interactions; the output lies in `folder / "out"`."""
    folder.mkdir(exist_ok=True)
    (folder / "events.csv").write_text(HEADER + events)
    (folder / "dataset.yaml").write_text(SPEC + entities)
    ingest(str(folder / "dataset.yaml"), folder / "dataset")
    return validate(folder / "dataset", folder / "out", **options)


def rows(folder: Path, table: str = "interactions") -> list[dict[str, Any]]:
    return list(pq.read_table(folder / "out" / f"{table}.parquet").to_pylist())


def refused(folder: Path, table: str = "interactions") -> list[dict[str, Any]]:
    return list(pq.read_table(folder / "out" / "quarantine" / f"{table}.parquet").to_pylist())


def statistics(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out" / "statistics.json").read_text()))


def test_rows_are_ordered_by_time_user_and_item(tmp_path: Path) -> None:
    run(tmp_path, "b,x,1,20\na,y,1,20\na,x,1,20\nc,x,1,10\n")
    assert [(row["user_id"], row["item_id"]) for row in rows(tmp_path)] == [
        ("c", "x"),
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
    ]
    assert pq.read_schema(tmp_path / "out" / "interactions.parquet").equals(INTERACTION_SCHEMA)


def test_rows_that_break_a_rule_are_quarantined(tmp_path: Path) -> None:
    events = "a,x,1,10\na,x,0,11\na,x,6,12\na,x,1,-1\na,x,1,4102444800\na,x,1,4102444799\na,x,1,0\n"
    manifest = run(tmp_path, events, max_bad_share=1)
    assert [(row["row"], row["reason"]) for row in refused(tmp_path)] == [
        (2, "value lies outside 1 to 5"),
        (3, "value lies outside 1 to 5"),
        (4, "timestamp lies before 1970"),
        (5, "timestamp lies after 2099"),
    ]
    assert json.loads(refused(tmp_path)[0]["raw"])["value"] == 0.0
    assert [row["timestamp"] for row in rows(tmp_path)] == [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC),
        datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]
    assert manifest.rows == {"interactions": {"in": 7, "out": 3, "quarantined": 4}}


def test_a_rank_may_be_as_great_as_ingest_takes(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\na,x,0\na,y,4000000000000000\n")
    (tmp_path / "dataset.yaml").write_text("name: t\ninteractions: {path: events.csv, timestamp_format: order}\n")
    ingest(str(tmp_path / "dataset.yaml"), tmp_path / "dataset")
    assert validate(tmp_path / "dataset", tmp_path / "out").rows["interactions"]["out"] == 2


def test_exact_duplicates_are_quarantined_and_near_ones_kept(tmp_path: Path) -> None:
    manifest = run(tmp_path, "a,x,1,10\nb,x,1,10\na,x,1,10\na,x,2,10\na,x,1,11\na,x,1,10\n", max_bad_share=1)
    assert [(row["row"], row["reason"]) for row in refused(tmp_path)] == [
        (3, "exact duplicate of an earlier row"),
        (6, "exact duplicate of an earlier row"),
    ]
    assert manifest.rows["interactions"] == {"in": 6, "out": 4, "quarantined": 2}


def test_duplicates_are_found_across_batches_as_pandas_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kuberec.validate.BATCH_ROWS", 2048)
    events = [(f"u{n % 7}", f"i{n % 11}", n % 3 + 1, n % 500) for n in range(20_000)]
    run(tmp_path, "".join(f"{u},{i},{v},{t}\n" for u, i, v, t in events), max_bad_share=1)
    unique = pd.DataFrame(events, columns=["u", "i", "v", "t"]).drop_duplicates().sort_values(["t", "u", "i", "v"])
    found = [(row["user_id"], row["item_id"], row["value"]) for row in rows(tmp_path)]
    assert found == list(unique[["u", "i", "v"]].itertuples(index=False, name=None))
    assert len(refused(tmp_path)) == len(events) - len(unique)


def test_the_first_row_of_an_entity_stays(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,age,town\na,1,X\nb,2,\na,3,Y\n")
    (tmp_path / "items.csv").write_text("item_id,tags\nx,p|q\nz,\n")
    manifest = run(tmp_path, "a,x,5,10\na,lost,1,11\n", ENTITIES, max_bad_share=0.5)
    assert rows(tmp_path, "users") == [
        {"user_id": "a", "age": 1.0, "town": "X"},
        {"user_id": "b", "age": 2.0, "town": None},
    ]
    assert [(row["row"], row["reason"]) for row in refused(tmp_path, "users")] == [(3, "user_id is listed before")]
    assert manifest.rows["users"] == {"in": 3, "out": 2, "quarantined": 1}
    found = statistics(tmp_path)
    assert found["references"] == {
        "users": {"listed": 2, "unlisted": 0, "interactions_of_unlisted": 0, "without_interactions": 1},
        "items": {"listed": 2, "unlisted": 1, "interactions_of_unlisted": 1, "without_interactions": 1},
    }
    assert found["features"] == {
        "users": {
            "age": {"type": "numeric", "missing_share": 0.0, "distinct": 2},
            "town": {"type": "categorical", "missing_share": 0.5, "distinct": 1},
        },
        "items": {"tags": {"type": "multi_categorical", "missing_share": 0.5, "distinct": 2}},
    }


def test_embeddings_of_another_width_than_most_become_missing_and_are_counted(tmp_path: Path) -> None:
    vectors = ["1|2|3", "1|2", "4|5|6", "", "7", "7|8|9"]
    (tmp_path / "users.csv").write_text("user_id,face,age\n" + "".join(f"u{n},{v},1\n" for n, v in enumerate(vectors)))
    entities = "users: {path: users.csv, features: {age: numeric, face: embedding}}\n"
    manifest = run(tmp_path, "u0,x,5,10\n", entities)
    faces = [row["face"] for row in rows(tmp_path, "users")]
    assert faces == [[1, 2, 3], None, [4, 5, 6], None, None, [7, 8, 9]]
    assert [row["age"] for row in rows(tmp_path, "users")] == [1.0] * 6
    assert manifest.rows["users"] == {"in": 6, "out": 6, "quarantined": 0}
    assert manifest.facts["other_width"] == {"users": {"face": 2}}
    found = statistics(tmp_path)
    assert found["features"]["users"]["face"] == {"type": "embedding", "missing_share": 0.5, "distinct": 3, "width": 3}
    assert found["other_width"] == {"users": {"face": 2}}


def test_of_equally_common_widths_the_smallest_stays(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,face\na,1|2\na,1|2\nb,3\n")  # the repeated row does not count
    run(tmp_path, "a,x,5,10\n", "users: {path: users.csv, features: {face: embedding}}\n", max_bad_share=0.5)
    assert [row["face"] for row in rows(tmp_path, "users")] == [None, [3.0]]


def test_a_feature_without_one_embedding_has_no_width(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,face\na,\nb,none\n")
    run(tmp_path, "a,x,5,10\n", "users: {path: users.csv, features: {face: embedding}}\n")
    found = statistics(tmp_path)["features"]["users"]["face"]
    assert found == {"type": "embedding", "missing_share": 1.0, "distinct": 0, "width": 0}


def test_too_many_bad_rows_stop_the_step_and_name_the_worst_reasons(tmp_path: Path) -> None:
    good = "".join(f"a,x,1,{n}\n" for n in range(95))
    events = good + "a,x,9,1\n" * 3 + "a,x,,1\n" + "bad\n"
    message = r"interactions: 5 of 100 rows \(5\.00%\) are bad, at most 1\.00%.*value lies outside 1 to 5 \(3\), "
    with pytest.raises(DataError, match=message):
        run(tmp_path / "a", events)
    assert not (tmp_path / "a" / "out").exists()
    assert run(tmp_path / "b", events, max_bad_share=0.05).rows["interactions"]["out"] == 95


def test_no_row_left_is_an_error_whatever_the_share(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 2 rows"):
        run(tmp_path, "a,x,9,1\nb,x,9,1\n", max_bad_share=1)


def test_a_share_outside_zero_to_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_bad_share=1\.5"):
        validate(tmp_path, tmp_path / "out", max_bad_share=1.5)


def test_the_same_dataset_gives_the_same_bytes_and_page(tmp_path: Path) -> None:
    events = "".join(f"u{n % 50},i{n % 77},{n % 5 + 1},{n * 1000}\n" for n in range(3000)) + "bad\n"
    assert run(tmp_path / "a", events).content_hash == run(tmp_path / "b", events).content_hash
    assert (tmp_path / "a/out/report.html").read_bytes() == (tmp_path / "b/out/report.html").read_bytes()


def test_a_changed_dataset_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "a,x,1,10\n")
    with (tmp_path / "dataset" / "interactions.parquet").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ArtifactError, match="was changed"):
        validate(tmp_path / "dataset", tmp_path / "again")
    with pytest.raises(ArtifactError, match="no finished artifact"):
        validate(tmp_path, tmp_path / "again")


def test_the_manifest_names_its_parent(tmp_path: Path) -> None:
    manifest = run(tmp_path, "a,x,1,10\n")
    assert manifest.kind == "validated"
    assert manifest.parents == {"dataset": read_manifest(tmp_path / "dataset").content_hash}
