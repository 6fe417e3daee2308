"""`dataset.yaml`: read strictly, and every fault named."""

from pathlib import Path

import pytest

from kuberec.dataset import DatasetSpec, FileFormat, dump_dataset_spec, load_dataset_spec, parse_dataset_spec
from kuberec.errors import ConfigError, SourceError
from kuberec.schema import FeatureType

FULL = """
name: shop-2026
licence: ours
interactions:
  path: "s3://bucket/events-*.csv.gz"
  format: csv
  delimiter: ";"
  header: false
  encoding: latin-1
  columns: {user_id: 0, item_id: 1, timestamp: 3, value: 2, event_type: kind}
  timestamp_format: "%d.%m.%Y %H:%M"
  value_range: [1, 5]
users: {path: users.tsv, columns: {user_id: id}, features: {age: numeric}}
items:
  path: items.jsonl
  title: name
  features: {name: {type: text, column: Name}, tags: {type: multi_categorical, separator: ","}, brand: categorical}
positive: {min_value: 4, event_types: [buy, like]}
repeat_consumption: true
"""
SMALL = "name: small\ninteractions: {path: x.csv}\n"


def test_every_key_is_read() -> None:
    spec = parse_dataset_spec(FULL, "full.yaml")
    assert spec.interactions.format is FileFormat.CSV
    assert spec.interactions.columns["timestamp"] == 3
    assert spec.interactions.value_range == (1.0, 5.0)
    assert spec.users is not None and spec.items is not None
    assert spec.users.features["age"].type is FeatureType.NUMERIC
    assert spec.items.features["name"].column == "Name"
    assert (spec.items.features["tags"].separator, spec.items.features["brand"].separator) == (",", "|")
    assert spec.positive.event_types == ("buy", "like")
    assert spec.repeat_consumption


def test_what_is_not_said_has_plain_defaults() -> None:
    spec = parse_dataset_spec(SMALL, "small.yaml")
    assert (spec.users, spec.items, spec.licence, spec.interactions.format) == (None, None, None, None)
    assert (spec.positive.min_value, spec.positive.event_types) == (None, None)
    assert (spec.interactions.header, spec.interactions.timestamp_format) == (True, "auto")
    assert not spec.repeat_consumption


@pytest.mark.parametrize("text", [FULL, SMALL])
def test_a_written_specification_reads_back_equal(text: str, tmp_path: Path) -> None:
    spec = parse_dataset_spec(text, "test")
    (tmp_path / "dataset.yaml").write_text(dump_dataset_spec(spec), encoding="utf-8")
    assert load_dataset_spec(tmp_path / "dataset.yaml") == spec


def test_a_specification_does_not_change() -> None:
    spec = parse_dataset_spec(SMALL, "test")
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]
    assert DatasetSpec.model_validate(spec.model_dump()) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"test\.yaml: \(top level\): .*dictionary"),
        ("- a\n- b", r"\(top level\): .*dictionary"),
        ("name: [", r"test\.yaml is no valid YAML"),
        ("name: small\n", r"interactions: Field required"),
        ("interactions: {path: x}\n", r"name: Field required"),
        ("name: Not Good\ninteractions: {path: x}\n", r"name: .*pattern.*got 'Not Good'"),
        (SMALL + "colour: red\n", r"colour: Extra inputs are not permitted, got 'red'"),
        ("name: s\ninteractions: {path: x, format: xlsx}\n", r"interactions\.format: .*csv.*tsv.*got 'xlsx'"),
        ("name: s\ninteractions: {path: x, columns: {user: u}}\n", r"unknown columns \['user'\]; the columns are"),
        ("name: s\ninteractions: {path: x, value_range: [5, 1]}\n", r"least value 5\.0 must lie below the greatest"),
        ("name: s\ninteractions: {path: x, value_range: [.nan, 1]}\n", r"must lie below"),
        (SMALL + "users: {path: u, columns: {item_id: i}}\n", r"users\.columns: .*unknown columns \['item_id'\]"),
        (SMALL + "users: {path: u, features: {age: number}}\n", r"users\.features\.age\.type: .*got 'number'"),
        (SMALL + "users: {path: u, features: [age]}\n", r"users\.features: .*dictionary"),
        (SMALL + "users: {path: u, features: {user_id: categorical}}\n", r"the feature name 'user_id' is taken"),
        (SMALL + "users: {path: u, features: {Known: numeric}}\n", r"the feature name 'Known' is taken, in this or an"),
        (SMALL + "items: {path: i, features: {Tag: text, tag: text}}\n", r"the feature name 'tag' is taken"),
        (SMALL + "items: {path: i, features: {tag: {type: text, separator: ''}}}\n", r"separator: .*at least 1"),
        (SMALL + "items: {path: i, title: name}\n", r"title: 'name' is none of the item features \[\]"),
        (SMALL + "positive: {min_value: much}\n", r"positive\.min_value: .*number.*got 'much'"),
        (SMALL + "positive: {min_value: .nan}\n", r"positive\.min_value: .*finite"),
        (SMALL + "positive: {event_types: []}\n", r"positive\.event_types: .*at least 1"),
    ],
)
def test_faults_are_named_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_dataset_spec(text, "test.yaml")


@pytest.mark.parametrize("form", ["auto", "unix_s", "iso", "%Y"])
def test_times_are_comparable_unless_they_are_ranks(form: str) -> None:
    text = "name: small\ninteractions: {path: x.csv, timestamp_format: '%s'}\n"
    assert parse_dataset_spec(text % form, "test").times_are_comparable
    assert parse_dataset_spec(SMALL, "test").times_are_comparable
    assert not parse_dataset_spec(text % "order", "test").times_are_comparable


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"colour.*shape|shape.*colour"):
        parse_dataset_spec(SMALL + "colour: red\nshape: round\n", "test.yaml")


def test_a_missing_or_unreadable_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"dataset\.yaml does not exist"):
        load_dataset_spec(tmp_path / "dataset.yaml")
    with pytest.raises(SourceError, match="is no text file"):
        load_dataset_spec(tmp_path)
    (tmp_path / "dataset.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(SourceError, match="is no text file"):
        load_dataset_spec(tmp_path / "dataset.yaml")
