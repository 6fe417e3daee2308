import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import Manifest
from kuberec.dataset import load_dataset_spec, parse_dataset_spec
from kuberec.errors import ConfigError, DataError, KuberecError, SourceError
from kuberec.ingest import ingest
from kuberec.schema import INTERACTION_SCHEMA, QUARANTINE_SCHEMA
from kuberec.sources import columnar, delimited

HEADER = "user_id,item_id,event_type,value,timestamp\n"
GOOD = "u1,i1,view,1,1600000000\n"
GOOD_TIME = datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


def run(folder: Path, content: str | bytes, settings: str = "", name: str = "events.csv") -> Manifest:
    """Ingest one file of interactions; the output lies in `folder / "out"`."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return run_spec(folder, f"name: test\ninteractions:\n  path: {name}\n{settings}")


def run_spec(folder: Path, text: str) -> Manifest:
    (folder / "dataset.yaml").write_text(text)
    return ingest(str(folder / "dataset.yaml"), folder / "out")


def table(folder: Path, name: str = "interactions") -> list[dict[str, Any]]:
    return list(pq.read_table(folder / "out" / f"{name}.parquet").to_pylist())


def refused(folder: Path, name: str = "interactions") -> list[tuple[int, str]]:
    rows = pq.read_table(folder / "out" / "quarantine" / f"{name}.parquet").to_pylist()
    return [(row["row"], row["reason"]) for row in rows]


def test_a_table_is_typed_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    manifest = run(tmp_path, HEADER + GOOD + "u2,i1,buy,2.5,2021-03-04T05:06:07.5+01:00\n")
    assert pq.read_schema(tmp_path / "out" / "interactions.parquet").equals(INTERACTION_SCHEMA)
    assert pq.read_schema(tmp_path / "out" / "quarantine" / "interactions.parquet").equals(QUARANTINE_SCHEMA)
    assert table(tmp_path) == [
        {"user_id": "u1", "item_id": "i1", "event_type": "view", "value": 1.0, "timestamp": GOOD_TIME},
        {
            "user_id": "u2",
            "item_id": "i1",
            "event_type": "buy",
            "value": 2.5,
            "timestamp": datetime(2021, 3, 4, 4, 6, 7, 500_000, tzinfo=UTC),
        },
    ]
    assert manifest.rows == {"interactions": {"in": 2, "out": 2, "quarantined": 0}}
    assert manifest.kind == "dataset"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    content = HEADER + "".join(f"u{n},i{n},view,1,{n}\n" for n in range(1000)) + "bad\n"
    assert run(tmp_path / "a", content).content_hash == run(tmp_path / "b", content).content_hash


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u,i,view,1", "5 fields expected, 4 found"),
        ("u,i,view,1,1600000000,more", "5 fields expected, 6 found"),
        ('u,"i,view,1,1600000000', "quotes are broken"),
        (",i,view,1,1600000000", "user_id is empty"),
        ("u, \t,view,1,1600000000", "item_id is empty"),
        ("\u00a0\u3000,i,view,1,1600000000", "user_id is empty"),
        ("u,i,,1,1600000000", "event_type is empty"),
        ("u,i,view,,1600000000", "value is empty"),
        ("u,i,view,many,1600000000", "value is no number"),
        ("u,i,view,nan,1600000000", "value is not finite"),
        ("u,i,view,-inf,1600000000", "value is not finite"),
        ("u,i,view,1e999,1600000000", "value is not finite"),
        ("u,i,view,1,", "timestamp is empty"),
        ("u,i,view,1,soon", "timestamp cannot be read as auto"),
        ("u,i,view,1,infinity", "timestamp cannot be read as auto"),
        ("u,i,view,1,nan", "timestamp cannot be read as auto"),
        ("u,i,view,1,2021-02-29", "timestamp cannot be read as auto"),
        ("u,i,view,1,1600000000000000", "timestamp cannot be read as auto"),
        ("u,i,view,1,1e300", "timestamp cannot be read as auto"),
        ("", "blank line"),
        (b"u\xff,i,view,1,1600000000", "text is not valid in its encoding"),
        (b"u\0,i,view,1,1600000000", "line holds a NUL byte"),
    ],
)
def test_a_row_that_cannot_be_read_is_quarantined(row: str | bytes, reason: str, tmp_path: Path) -> None:
    line = row.encode() if isinstance(row, str) else row
    manifest = run(tmp_path, HEADER.encode() + GOOD.encode() + line + b"\n" + GOOD.encode())
    assert refused(tmp_path) == [(2, reason)]
    assert [item["user_id"] for item in table(tmp_path)] == ["u1", "u1"]
    assert manifest.rows["interactions"] == {"in": 3, "out": 2, "quarantined": 1}
    assert manifest.facts["reasons"]["interactions"] == {reason: 1}
    raw = pq.read_table(tmp_path / "out" / "quarantine" / "interactions.parquet")["raw"].to_pylist()
    assert raw == [line.decode(errors="backslashreplace").replace("\0", "\\x00")]


@pytest.mark.parametrize(
    ("field", "identity"),
    [
        ('"two\nlines"', "two\nlines"),
        ('"a,b"', "a,b"),
        ('"say ""hi"""', 'say "hi"'),
        ('5" disk', '5" disk'),
        (" padded ", " padded "),
        ("映画🎬", "映画🎬"),
        ("NULL", "NULL"),
        ("007", "007"),
        ("1e5", "1e5"),
    ],
)
def test_an_id_is_kept_as_it_is(field: str, identity: str, tmp_path: Path) -> None:
    manifest = run(tmp_path, HEADER + GOOD + f"{field},{field},view,1,1600000000\n" + GOOD)
    assert (table(tmp_path)[1]["user_id"], table(tmp_path)[1]["item_id"]) == (identity, identity)
    assert manifest.rows["interactions"]["quarantined"] == 0


def test_byte_order_mark_crlf_and_trailing_blank_lines_are_no_rows(tmp_path: Path) -> None:
    content = "\ufeff" + (HEADER + GOOD + GOOD).replace("\n", "\r\n") + "\r\n\n\n"
    assert run(tmp_path, content).rows["interactions"] == {"in": 2, "out": 2, "quarantined": 0}


def test_a_last_line_without_an_end_is_a_row(tmp_path: Path) -> None:
    assert run(tmp_path, HEADER + GOOD + GOOD.strip()).rows["interactions"]["out"] == 2


@pytest.mark.parametrize("size", [7, 64, 1000])
def test_where_a_file_is_cut_into_blocks_changes_nothing(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HEADER + (GOOD + 'u,"a\n\nb",view,1,5\n\nu,"x,view,1,5\nbad\nü,i,view,1,5\r\n') * 20 + "\n\n"
    whole = run(tmp_path / "whole", content)
    monkeypatch.setattr(delimited, "CHUNK_BYTES", size)
    pieces = run(tmp_path / "pieces", content)
    assert pieces.rows == whole.rows
    assert table(tmp_path / "pieces") == table(tmp_path / "whole")
    assert refused(tmp_path / "pieces") == refused(tmp_path / "whole")
    assert whole.rows["interactions"] == {"in": 120, "out": 60, "quarantined": 60}


@pytest.mark.parametrize(
    ("form", "text", "time"),
    [
        ("unix_s", "1600000000.25", datetime(2020, 9, 13, 12, 26, 40, 250_000, tzinfo=UTC)),
        ("unix_ms", "1600000000001", datetime(2020, 9, 13, 12, 26, 40, 1_000, tzinfo=UTC)),
        ("unix_us", "1600000000000001", datetime(2020, 9, 13, 12, 26, 40, 1, tzinfo=UTC)),
        ("iso", "2020-09-13 12:26:40", GOOD_TIME),
        ("'%d/%m/%Y %H:%M'", "13/09/2020 12:26", datetime(2020, 9, 13, 12, 26, tzinfo=UTC)),
        ("'%Y-%m-%d %H:%M:%S %z'", "2020-09-13 14:26:40 +0200", GOOD_TIME),
        ("auto", "2020-09-13", datetime(2020, 9, 13, tzinfo=UTC)),
    ],
)
def test_timestamp_formats(form: str, text: str, time: datetime, tmp_path: Path) -> None:
    content = f"user_id,item_id,timestamp\nu,i,{text}\nu,i,x\n"
    run(tmp_path, content, f"  timestamp_format: {form}\n")
    assert table(tmp_path) == [
        {"user_id": "u", "item_id": "i", "event_type": "interaction", "value": 1.0, "timestamp": time}
    ]
    assert refused(tmp_path) == [(2, f"timestamp cannot be read as {form.strip(chr(39))}")]


def test_ranks_within_users_become_microseconds(tmp_path: Path) -> None:
    good = ["0", "1", "2.0", "1600000000000000", "4e15"]
    bad = ["-1", "1.5", "nan", "inf", "first", "2020-01-01", "4000000000000001"]
    content = "user_id,item_id,timestamp\n" + "".join(f"u,i,{text}\n" for text in [*good, *bad, ""])
    run(tmp_path, content, "  timestamp_format: order\n")
    times = pq.read_table(tmp_path / "out" / "interactions.parquet")["timestamp"].cast(pa.int64())
    assert times.to_pylist() == [0, 1, 2, 1_600_000_000_000_000, 4_000_000_000_000_000]
    unread = [(6 + place, "timestamp cannot be read as order") for place in range(len(bad))]
    assert refused(tmp_path) == [*unread, (13, "timestamp is empty")]


def test_columns_are_mapped_by_name_and_by_position(tmp_path: Path) -> None:
    by_name = "  delimiter: ';'\n  columns: {user_id: who, item_id: what, timestamp: when}\n"
    run(tmp_path / "a", "when;who;extra;what\n1600000000;u1;;i1\n", by_name)
    by_position = "  header: false\n  delimiter: '::'\n  columns: {user_id: 1, item_id: 3, timestamp: 0}\n"
    run(tmp_path / "b", "1600000000::u1::::i1\n", by_position)
    assert table(tmp_path / "a") == table(tmp_path / "b")
    assert table(tmp_path / "a")[0]["user_id"] == "u1"


def test_latin_1_and_utf_16_are_read(tmp_path: Path) -> None:
    content = HEADER + "é,i,view,1,1600000000\n"
    for encoding in ("latin-1", "utf-16"):
        run(tmp_path / encoding, content.encode(encoding), f"  encoding: {encoding}\n")
        assert table(tmp_path / encoding)[0]["user_id"] == "é"


def test_bytes_that_an_encoding_does_not_know_are_quarantined(tmp_path: Path) -> None:
    content = HEADER.encode() + b"a\x81,i,view,1,5\n" + "é,i,view,1,5\n".encode("cp1252")
    run(tmp_path, content, "  encoding: cp1252\n")
    assert refused(tmp_path) == [(1, "text is not valid in its encoding")]
    assert table(tmp_path)[0]["user_id"] == "é"


def test_globs_gzip_and_uris_are_read_as_one_table(tmp_path: Path) -> None:
    (tmp_path / "part-1.csv").write_text(HEADER + GOOD)
    (tmp_path / "part-2.csv.gz").write_bytes(gzip.compress(b"timestamp,item_id,user_id\n5,i9,u9\nbad\n"))
    manifest = run_spec(tmp_path, f"name: test\ninteractions:\n  path: file://{tmp_path}/part-*\n")
    assert [row["user_id"] for row in table(tmp_path)] == ["u1", "u9"]
    assert refused(tmp_path) == [(3, "3 fields expected, 1 found")]
    assert manifest.rows["interactions"]["in"] == 3


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        '{"user_id": "u\\n1", "item_id": 7, "timestamp": "2020-09-13T12:26:40Z", "value": 1}',
        '{"user_id": "u2", "timestamp": 1600000000, "value": 2}',
        '{"user_id": null, "item_id": 7, "timestamp": 1600000000, "value": 2}',
        "[1, 2]",
        '{"user_id": "u3"',
        '{"user_id": 12345678901234567890, "item_id": "é", "timestamp": 1600000000, "value": 0.5, "more": {}}',
    ]
    run(tmp_path, "\n".join(lines), name="events.jsonl")
    assert [(row["user_id"], row["item_id"], row["value"]) for row in table(tmp_path)] == [
        ("u\n1", "7", 1.0),
        ("12345678901234567890", "é", 0.5),
    ]
    assert all(row["timestamp"] == GOOD_TIME for row in table(tmp_path))
    assert refused(tmp_path) == [
        (2, "item_id is empty"),
        (3, "user_id is empty"),
        (4, "line is no JSON object"),
        (5, "line is no JSON object"),
    ]


def test_parquet_of_any_plain_types(tmp_path: Path) -> None:
    columns = {
        "user_id": pa.array([1, None, 3], pa.int64()),
        "item_id": pa.array(["a", "b", "c"]).dictionary_encode(),
        "value": pa.array([1, 2, 3], pa.float32()),
        "timestamp": pa.array([GOOD_TIME] * 3, pa.timestamp("ns", tz="Europe/Berlin")),
    }
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    run_spec(tmp_path, "name: test\ninteractions:\n  path: events.parquet\n")
    assert [(row["user_id"], row["item_id"], row["value"]) for row in table(tmp_path)] == [
        ("1", "a", 1.0),
        ("3", "c", 3.0),
    ]
    assert [row["timestamp"] for row in table(tmp_path)] == [GOOD_TIME, GOOD_TIME]
    assert refused(tmp_path) == [(2, "user_id is empty")]


def test_parquet_text_that_is_no_utf8_is_quarantined(tmp_path: Path) -> None:
    users = pa.array([b"ok", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(
        pa.table({"user_id": users, "item_id": ["i", "i"], "timestamp": [5, 5]}), tmp_path / "events.parquet"
    )
    run_spec(tmp_path, "name: test\ninteractions:\n  path: events.parquet\n")
    assert refused(tmp_path) == [(2, "text is not valid in its encoding")]
    assert len(table(tmp_path)) == 1


ENTITIES = """\
name: test
interactions: {path: events.csv}
items:
  path: %s
  features:
    title: text
    price: numeric
    brand: {type: categorical, column: maker}
    tags: {type: multi_categorical, separator: "/"}
  title: title
"""


def test_features_are_typed_and_the_unreadable_are_missing_and_counted(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    (tmp_path / "items.tsv").write_text(
        "item_id\ttitle\tprice\tmaker\ttags\n"
        "i1\tA B\t2.5\tacme\tx/ y //x\n"
        "i2\t\tcheap\t \t\n"
        "\tlost\t1\tacme\tx\n"
        "i3\tC\tinf\tacme\tx\n"
        "i4\tC\t\tacme\tx\n"
    )
    manifest = run_spec(tmp_path, ENTITIES % "items.tsv")
    assert table(tmp_path, "items")[:2] == [
        {"item_id": "i1", "title": "A B", "price": 2.5, "brand": "acme", "tags": ["x", "y", "x"]},
        {"item_id": "i2", "title": None, "price": None, "brand": None, "tags": []},
    ]
    assert refused(tmp_path, "items") == [(3, "item_id is empty")]
    assert manifest.rows["items"] == {"in": 5, "out": 4, "quarantined": 1}
    assert manifest.facts["unparsed"]["items"] == {"price": 2}


def test_lists_in_json_and_parquet_are_multi_categorical(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    rows = [
        {"item_id": "i1", "title": "A", "price": 1, "maker": "m", "tags": ["x", "y"]},
        {"item_id": "i2", "title": "B", "price": 2, "maker": "m", "tags": []},
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "items.parquet")
    run_spec(tmp_path, ENTITIES % "items.jsonl")
    from_json = table(tmp_path, "items")
    run_spec(tmp_path, ENTITIES % "items.parquet")
    assert table(tmp_path, "items") == from_json
    assert [row["tags"] for row in from_json] == [["x", "y"], []]


EMBEDDED = """\
name: test
interactions: {path: events.csv}
items: {path: %s, features: {image: {type: embedding, separator: " "}}}
"""


def test_embeddings_are_vectors_of_finite_numbers_and_others_are_missing_and_counted(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    vectors = {"i1": " 0.5 -1e-3 2 ", "i2": "1 2", "i3": "", "i4": " ", "i5": "1 two 3", "i6": "1 nan 3"}
    vectors |= {"i7": "1 inf 3", "i8": "1  3", "i9": "1|2|3", "i10": "1 1e39 3"}
    (tmp_path / "items.csv").write_text("item_id,image\n" + "".join(f"{i},{v}\n" for i, v in vectors.items()))
    manifest = run_spec(tmp_path, EMBEDDED % "items.csv")
    found = {row["item_id"]: row["image"] for row in table(tmp_path, "items")}
    assert found.pop("i1") == pytest.approx([0.5, -1e-3, 2], rel=1e-6)
    assert found.pop("i2") == [1, 2]
    assert set(found) == set(vectors) - {"i1", "i2"}
    assert set(map(repr, found.values())) == {"None"}
    assert manifest.facts["unparsed"]["items"] == {"image": 6}
    assert manifest.rows["items"] == {"in": 10, "out": 10, "quarantined": 0}


@pytest.mark.parametrize(
    ("separator", "written", "read"),
    [
        ("|", ["[0.5, -1e-3]", "[0.5,-1e-3]", "[0.5 -1e-3]", "[ 0.5\n -1e-3 ]", "0.5, -1e-3"], True),
        ("|", ["0.5 -1e-3", "0.5\t-1e-3", "0.5  -1e-3", "[0.5|-1e-3]", " 0.5 | -1e-3 "], True),
        (" ", ["[0.5, -1e-3]", "0.5,-1e-3", "[0.5 -1e-3]"], True),
        (";", ["[0.5;-1e-3]", "0.5; -1e-3", "[0.5, -1e-3]"], True),
        ("|", ["0,5|0,7", "0,5 0,7", "1,,2", "[1,2,]", "1;2"], False),  # a decimal comma, a gap, another separator
        ("|", ["[1, 2", "1, 2]", "[[1, 2]]", "[1],[2]", "[]", "[a, b]"], False),
        ("|", ["[1, NaN]", "[1, null]", "[Infinity, 2]", "[1, 1e39]"], False),
    ],
)
def test_embeddings_in_the_common_written_forms(tmp_path: Path, separator: str, written: list[str], read: bool) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    rows = [{"item_id": f"i{number}", "image": text} for number, text in enumerate(written)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    manifest = run_spec(tmp_path, (EMBEDDED % "items.jsonl").replace('" "', f'"{separator}"'))
    found = [row["image"] for row in table(tmp_path, "items")]
    assert found == [pytest.approx([0.5, -1e-3], rel=1e-6) if read else None] * len(written)
    assert manifest.facts["unparsed"]["items"] == ({} if read else {"image": len(written)})


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.large_list(pa.float32())])
def test_embeddings_are_lists_in_json_and_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    images = [[0.1, -3.0], None, [1e-7, 2.5], [1.0, None, 2.0], [3e20, float("nan")]]
    ids = [f"i{number}" for number in range(5)]
    pq.write_table(pa.table({"item_id": ids, "image": pa.array(images, kind)}), tmp_path / "items.parquet")
    rows = [{"item_id": key, "image": image} for key, image in zip(ids, images, strict=True)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)).replace("NaN", '"NaN"'))
    for name in ("items.parquet", "items.jsonl"):
        manifest = run_spec(tmp_path, EMBEDDED % name)
        found = pq.read_table(tmp_path / "out" / "items.parquet")["image"]
        assert found.type == pa.list_(pa.float32())
        assert found.to_pylist() == pa.array([images[0], None, images[2], None, None], found.type).to_pylist()
        assert manifest.facts["unparsed"]["items"] == {"image": 2}


def test_embeddings_are_fixed_size_lists_in_parquet(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    images = pa.array([[0.5, -3.0], [1.5, 2.5]], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"item_id": ["i1", "i2"], "image": images}), tmp_path / "items.parquet")
    run_spec(tmp_path, EMBEDDED % "items.parquet")
    assert [row["image"] for row in table(tmp_path, "items")] == images.to_pylist()


def test_wide_parquet_rows_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    images = [[float(row), float(place)] * 50 for row in range(30) for place in range(10)]
    columns = {"item_id": [f"i{number}" for number in range(300)], "image": images}
    pq.write_table(pa.table(columns), tmp_path / "items.parquet", use_dictionary=False)
    monkeypatch.setattr(columnar, "BATCH_BYTES", 8_000)  # about ten rows
    run_spec(tmp_path, EMBEDDED % "items.parquet")
    assert table(tmp_path, "items") == pa.table(columns).to_pylist()
    assert pq.read_metadata(tmp_path / "out" / "items.parquet").num_row_groups >= 30


def test_the_specification_is_kept_as_given(tmp_path: Path) -> None:
    run(tmp_path, HEADER + GOOD)
    assert load_dataset_spec(tmp_path / "out" / "dataset.yaml") == load_dataset_spec(tmp_path / "dataset.yaml")


@pytest.mark.parametrize(
    ("content", "settings", "error", "message"),
    [
        ("", "", SourceError, "is empty"),
        (HEADER, "", SourceError, "no rows"),
        ("\n\n\n", "", SourceError, "no readable line"),
        (
            "user_id;item_id;timestamp\nu;i;5\n",
            "",
            SourceError,
            "no column 'user_id', 'item_id', 'timestamp'; its columns",
        ),
        ("user,item_id,timestamp\nu,i,5\n", "", SourceError, "its columns are 'user', 'item_id', 'timestamp'"),
        (HEADER + GOOD, "  columns: {value: rating}\n", SourceError, "no column 'rating'"),
        ("user_id,user_id,item_id,timestamp\nu,u,i,5\n", "", SourceError, "more than once"),
        (HEADER + "a;b\nc;d\n", "", DataError, r"None of the 2 rows .* 5 fields expected, 1 found \(2\)"),
        (HEADER + GOOD, "  encoding: utf-99\n", ConfigError, "utf-99"),
        ((HEADER + GOOD).encode("utf-16"), "", SourceError, "encoding: utf-16"),
        ((HEADER + GOOD).encode(), "  format: parquet\n", SourceError, "no readable Parquet"),
        ((HEADER + GOOD).encode(), "  format: jsonl\n", SourceError, "no JSON object"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_clear_error(
    content: str | bytes, settings: str, error: type[KuberecError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run(tmp_path, content, settings)
    assert not (tmp_path / "out").exists()


def test_paths_that_are_no_files_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "data.bin").write_text("x")
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress((HEADER + GOOD * 1000).encode())[:-20])
    cases: list[tuple[str, type[KuberecError], str]] = [
        ("absent.csv", SourceError, "does not exist"),
        ("folder.csv", SourceError, r"is a folder.*\*\.csv"),
        ("none-*.csv", SourceError, "matches no file"),
        ("data.bin", ConfigError, "suffix does not tell"),
        ("nope://bucket/x.csv", SourceError, "cannot be reached"),
        ("broken.csv.gz", SourceError, "broken or cut short"),
    ]
    for path, error, message in cases:
        with pytest.raises(error, match=message):
            run_spec(tmp_path, f"name: test\ninteractions: {{path: '{path}'}}\n")
    with pytest.raises(SourceError, match="does not exist"):
        ingest(str(tmp_path / "absent.yaml"), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken.csv.gz",
        "data.bin",
        "dataset.yaml",
        "folder.csv",
    ]


def test_a_cut_parquet_file_is_a_clear_error(tmp_path: Path) -> None:
    columns = {"user_id": ["u"] * 5000, "item_id": [str(n) for n in range(5000)], "timestamp": list(range(5000))}
    pq.write_table(pa.table(columns), tmp_path / "whole.parquet")
    content = bytearray((tmp_path / "whole.parquet").read_bytes())
    (tmp_path / "cut.parquet").write_bytes(content[:-100])
    content[100:3000] = b"\xff" * 2900
    (tmp_path / "torn.parquet").write_bytes(content)
    for name in ("cut", "torn"):
        with pytest.raises(SourceError, match=r"cannot be read|no readable Parquet"):
            run_spec(tmp_path, f"name: test\ninteractions: {{path: {name}.parquet}}\n")


def test_a_feature_may_not_take_the_name_of_a_column_that_steps_add(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEADER + GOOD)
    for name in ("reason", "Row", "file_row_number", "item_id"):
        text = f"name: test\ninteractions: {{path: events.csv}}\nitems: {{path: i.csv, features: {{{name}: text}}}}\n"
        with pytest.raises(ConfigError, match=name):
            run_spec(tmp_path, text)


def test_the_documented_example_is_short_and_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data-contract.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    assert len(example.splitlines()) <= 20
    assert parse_dataset_spec(example, "the page").name == "shop"


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    content = HEADER + "".join(f"user{n},item{n * 7919},view,1,{n}\n" for n in range(20_000))
    run(tmp_path, content)
    code = (
        "import resource, sys\n"
        "from kuberec.errors import ArtifactError\n"
        "from kuberec.ingest import ingest\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    ingest(sys.argv[1], sys.argv[2])\n"
        "except ArtifactError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "dataset.yaml"), str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the disk is full" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.yaml", "events.csv", "out"]
