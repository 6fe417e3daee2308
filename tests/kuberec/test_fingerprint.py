"""Fingerprints change when what they stand for changes, and only then."""

import os
from pathlib import Path

import pytest

from kuberec.errors import ConfigError
from kuberec.fingerprint import code_fingerprint, source_fingerprint
from tests.pipelines.synthetic import write_dataset


def test_the_code_has_one_fingerprint() -> None:
    assert code_fingerprint(["kuberec"]) == code_fingerprint(["kuberec"])
    assert code_fingerprint(["kuberec"]) != code_fingerprint(["kuberec", "models"])


def test_a_built_in_dataset_needs_no_fingerprint() -> None:
    assert source_fingerprint("movielens-100k") == ""


def test_every_file_of_a_source_counts(tmp_path: Path) -> None:
    source = str(write_dataset(tmp_path))
    seen = {source_fingerprint(source)}
    assert source_fingerprint(source) in seen
    for name in ("events.csv", "items.csv", "dataset.yaml"):
        path = tmp_path / name
        path.write_text(path.read_text() + "\n")
        assert source_fingerprint(source) not in seen, name
        seen.add(source_fingerprint(source))


def test_a_file_that_appears_behind_a_glob_counts(tmp_path: Path) -> None:
    source = write_dataset(tmp_path)
    source.write_text(source.read_text().replace("events.csv", "events*.csv"))
    before = source_fingerprint(str(source))
    (tmp_path / "events-2.csv").write_text("user_id,item_id,time\n")
    assert source_fingerprint(str(source)) != before


def test_the_files_of_a_location_count(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text("1")
    before = source_fingerprint("movielens-100k", str(tmp_path))
    os.utime(tmp_path / "u.data", ns=(1, 1))
    assert source_fingerprint("movielens-100k", str(tmp_path)) != before


def test_a_missing_source_is_left_to_ingest(tmp_path: Path) -> None:
    assert source_fingerprint(str(tmp_path / "absent.yaml"))


def test_a_broken_specification_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("name: shop\n")
    with pytest.raises(ConfigError, match="interactions"):
        source_fingerprint(str(tmp_path / "dataset.yaml"))
