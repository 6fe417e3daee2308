"""The champion is the latest version, but never the run's own."""

from pathlib import Path

import pytest

from kuberec.artifacts import new_artifact, read_manifest
from kuberec.evaluation.champion import local_folder
from kuberec.storage import open_folder
from pipelines.champion import RunRecord, find_champion, read_record, write_record
from tests.kuberec.object_store import object_store


def publish(repository: Path, version: int, text: str) -> str:
    """Put a version there; returns its content hash."""
    folder = repository / "films" / str(version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_artifact(folder, "export") as (made, _):
        (made / "saved_model.pb").write_text(text)
    return read_manifest(folder).content_hash


def test_nothing_published_means_no_champion(tmp_path: Path) -> None:
    assert find_champion(str(tmp_path), "films", None) == ""


def test_the_latest_version_is_the_champion(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        publish(tmp_path, version, f"model {version}")
    assert find_champion(str(tmp_path), "films", None) == str(tmp_path / "films" / "10")


def test_a_run_that_published_the_latest_keeps_its_first_rival(tmp_path: Path) -> None:
    publish(tmp_path, 1, "old")
    own = publish(tmp_path, 2, "own")
    first = str(tmp_path / "films" / "1")
    assert find_champion(str(tmp_path), "films", RunRecord(first, own)) == first
    assert find_champion(str(tmp_path), "films", RunRecord("", own)) == ""


@pytest.mark.parametrize("exported", ["", "another"])
def test_a_version_of_another_run_is_a_rival(tmp_path: Path, exported: str) -> None:
    publish(tmp_path, 1, "old")
    publish(tmp_path, 2, "other")
    record = RunRecord(str(tmp_path / "films" / "1"), exported)
    assert find_champion(str(tmp_path), "films", record) == str(tmp_path / "films" / "2")


def test_a_first_rival_that_is_gone_is_not_asked(tmp_path: Path) -> None:
    own = publish(tmp_path, 2, "own")
    record = RunRecord(str(tmp_path / "films" / "1"), own)
    assert find_champion(str(tmp_path), "films", record) == str(tmp_path / "films" / "2")


def test_the_champion_may_lie_in_a_bucket(tmp_path: Path) -> None:
    old, own = publish(tmp_path, 1, "old"), publish(tmp_path, 2, "own")
    assert old != own
    with object_store(tmp_path, "models") as bucket:
        filesystem = open_folder(bucket).fs  # type: ignore[union-attr]
        filesystem.put(f"{tmp_path}/films", "models/films", recursive=True)
        first, latest = f"{bucket}/films/1", f"{bucket}/films/2"
        assert find_champion(bucket, "films", None) == latest
        assert find_champion(bucket, "films", RunRecord(first, own)) == first
        assert find_champion(bucket, "films", RunRecord(f"{bucket}/films/0", own)) == latest
        with local_folder(latest) as folder:
            assert (folder / "saved_model.pb").read_text() == "own"
        filesystem.rm(f"{latest}/manifest.json")
        assert find_champion(bucket, "films", None) == first


def test_a_record_is_read_back(tmp_path: Path) -> None:
    record = RunRecord("models/1", "abc")
    assert read_record(tmp_path / "runs" / "x.json") is None
    write_record(tmp_path / "runs" / "x.json", record)
    assert read_record(tmp_path / "runs" / "x.json") == record
