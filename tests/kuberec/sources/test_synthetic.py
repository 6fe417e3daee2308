"""The made-up dataset is the same each time, and has in it what the notebooks tell of."""

from pathlib import Path

from kuberec.artifacts import file_hash
from kuberec.ingest import ingest
from kuberec.sources.synthetic import BROKEN, EVENTS, ITEMS, USERS, write_synthetic
from kuberec.validate import validate


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: file_hash(path) for path in folder.iterdir()}


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    first = hashes(write_synthetic(tmp_path / "first"))
    assert hashes(write_synthetic(tmp_path / "second")) == first
    assert hashes(write_synthetic(tmp_path / "third", seed=1))["ratings.csv"] != first["ratings.csv"]


def test_unchanged_files_are_left_alone(tmp_path: Path) -> None:
    folder = write_synthetic(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    write_synthetic(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_its_broken_lines_go_to_quarantine(tmp_path: Path) -> None:
    ingest(str(write_synthetic(tmp_path / "data") / "dataset.yaml"), tmp_path / "dataset")
    manifest = validate(tmp_path / "dataset", tmp_path / "validated")
    assert {name: rows["out"] for name, rows in manifest.rows.items()} == {
        "interactions": EVENTS,
        "users": USERS,
        "items": ITEMS,
    }
    assert len(BROKEN) == 4
    assert manifest.rows["interactions"]["quarantined"] == 1, "one line breaks a rule, three cannot be read"
