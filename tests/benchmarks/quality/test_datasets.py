from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.quality.datasets import Dataset, open_data
from kuberec.dataset import Positive
from kuberec.errors import SourceError
from tests.benchmarks.quality.folders import (
    histories,
    write_contract,
    write_movielens_sequences,
    write_ncf,
    write_recbole,
    write_sequences,
)


def order(dataset: Dataset) -> dict[str, list[str]]:
    """Each user's items by time."""
    rows = pq.read_table(dataset.validated / "interactions.parquet").sort_by("timestamp").to_pylist()
    found = defaultdict(list)
    for row in rows:
        found[row["user_id"]].append(row["item_id"])
    return dict(found)


def entities(dataset: Dataset, name: str) -> dict[str, dict[str, object]]:
    rows = pq.read_table(dataset.validated / f"{name}.parquet").to_pylist()
    return {row.pop(f"{name[:-1]}_id"): row for row in rows}


def test_sequences_keep_their_order_and_attributes(tmp_path: Path) -> None:
    taken = histories()
    dataset = open_data(write_sequences(tmp_path / "Beauty 5-core", taken), tmp_path / "work")
    assert dataset.name == "beauty-5-core"
    assert order(dataset) == {user: list(items) for user, items in taken.items()}
    assert not dataset.spec.times_are_comparable
    assert entities(dataset, "items")["i7"] == {"attributes": ["3", "11"]}


def test_sequences_of_movielens_get_its_features(tmp_path: Path) -> None:
    dataset = open_data(write_movielens_sequences(tmp_path / "ml"), tmp_path / "work")
    assert order(dataset) == {"1": ["10", "30", "20"], "2": ["30", "10", "40"]}
    assert entities(dataset, "users")["1"] == {"age": 25.0, "gender": "F", "occupation": "3"}
    assert entities(dataset, "items")["10"] == {"title": "Amélie", "year": 2001.0, "genres": ["Comedy", "Romance"]}
    assert dataset.spec.licence


def test_ncf_files_give_the_test_row_last_and_the_negatives(tmp_path: Path) -> None:
    taken = histories()
    dataset = open_data(write_ncf(tmp_path / "ncf", taken), tmp_path / "work")
    assert order(dataset) == {user: list(items) for user, items in taken.items()}
    pair = ("u3", taken["u3"][-1])
    assert len(dataset.negatives) == len(taken)
    assert len(dataset.negatives[pair]) == 5
    assert not set(dataset.negatives[pair]) & set(taken["u3"])


def test_recbole_files_give_times_values_and_features(tmp_path: Path) -> None:
    dataset = open_data(write_recbole(tmp_path / "shop"), tmp_path / "work")
    assert order(dataset) == {"u1": ["a", "b"], "u2": ["a"]}
    values = pq.read_table(dataset.validated / "interactions.parquet")["value"].to_pylist()
    assert sorted(values) == [2.0, 4.0, 5.0]
    assert dataset.spec.times_are_comparable
    assert entities(dataset, "users")["u2"] == {"age": 40.0}
    assert entities(dataset, "items")["a"] == {"class": ["red", "warm"], "brand": "x"}


def test_a_contract_is_read_where_it_is(tmp_path: Path) -> None:
    taken = histories()
    folder = write_contract(tmp_path / "shop", taken)
    before = sorted(folder.iterdir())
    dataset = open_data(folder, tmp_path / "work")
    assert order(dataset) == {user: list(items) for user, items in taken.items()}
    assert dataset.spec.positive.min_value == 4
    assert sorted(folder.iterdir()) == before


def test_another_rule_for_positives_replaces_the_datasets_own(tmp_path: Path) -> None:
    folder = write_contract(tmp_path / "shop", histories())
    assert open_data(folder, tmp_path / "work", Positive()).spec.positive.min_value is None
    assert open_data(folder, tmp_path / "work", Positive(min_value=5)).spec.positive.min_value == 5


def test_the_same_data_is_read_once_and_changed_data_anew(tmp_path: Path) -> None:
    folder = write_contract(tmp_path / "shop", histories())
    first = open_data(folder, tmp_path / "work").validated
    written = (first / "manifest.json").stat().st_mtime_ns
    assert open_data(folder, tmp_path / "work").validated == first
    assert (first / "manifest.json").stat().st_mtime_ns == written
    with (folder / "events.csv").open("a", encoding="utf-8") as stream:
        stream.write("new,i1,5,1000000\n")
    again = open_data(folder, tmp_path / "work")
    assert again.validated != first
    assert "new" in order(again)


def test_a_folder_of_another_form_is_told_what_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "log.bin").write_bytes(b"\0")
    with pytest.raises(SourceError, match=r"(?s)dataset\.yaml.*train\.rating.*ml-100k\.inter.*\.inter.*\.txt"):
        open_data(tmp_path / "other", tmp_path / "work")


@pytest.mark.parametrize(
    ("text", "fault"), [("a 1 2\nb 3\na 4\n", "line 3.*second time"), ("a 1\nb\n", "line 2.*no item")]
)
def test_lines_that_are_no_users_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    folder = tmp_path / "sequences"
    folder.mkdir()
    (folder / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=fault):
        open_data(folder, tmp_path / "work")


def test_atomic_files_without_times_are_refused(tmp_path: Path) -> None:
    folder = write_recbole(tmp_path / "shop")
    (folder / "shop.inter").write_text("user_id:token\titem_id:token\nu1\ta\n", encoding="utf-8")
    with pytest.raises(SourceError, match="has no timestamp"):
        open_data(folder, tmp_path / "work")
