"""Artifacts: whole or absent, and honest about what they hold."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kuberec.artifacts import (
    Manifest,
    content_hash,
    file_hash,
    new_artifact,
    read_manifest,
    verify_artifact,
    write_json,
    write_text,
)
from kuberec.errors import ArtifactError


def write(target: Path, **files: str) -> Manifest:
    with new_artifact(target, "thing") as (folder, manifest):
        for name, text in files.items():
            write_text(folder / name, text)
    return manifest


def test_the_manifest_says_what_the_folder_holds(tmp_path: Path) -> None:
    parent = write(tmp_path / "parent", rows="1")
    with new_artifact(tmp_path / "a" / "child", "thing", parents={"parent": tmp_path / "parent"}, seed=7) as (
        folder,
        m,
    ):
        (folder / "deep").mkdir()
        (folder / "deep" / "x.txt").write_bytes(b"abc")
        m.rows = {"table": {"in": 2, "out": 1, "quarantined": 1}}
        m.facts = {"why": "ü"}
    manifest = read_manifest(tmp_path / "a" / "child")
    assert manifest == m
    assert (manifest.kind, manifest.seed, manifest.schema_version) == ("thing", 7, 1)
    assert manifest.parents == {"parent": parent.content_hash}
    assert manifest.files == {"deep/x.txt": hashlib.sha256(b"abc").hexdigest()}
    assert manifest.rows["table"]["in"] == 2
    assert manifest.packages["kuberec"]


def test_equal_content_has_an_equal_hash_and_other_content_another(tmp_path: Path) -> None:
    first = write(tmp_path / "a", x="1", y="2")
    assert write(tmp_path / "b", y="2", x="1").content_hash == first.content_hash
    assert write(tmp_path / "c", x="2", y="1").content_hash != first.content_hash
    assert write(tmp_path / "d", x="1", z="2").content_hash != first.content_hash


def test_content_hash_is_over_sorted_names_and_hashes() -> None:
    expected = hashlib.sha256(b"a\x001\nb\x002\n").hexdigest()
    assert content_hash({"b": "2", "a": "1"}) == expected


def test_large_files_are_hashed_whole(tmp_path: Path) -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    (tmp_path / "large").write_bytes(content)
    assert file_hash(tmp_path / "large") == hashlib.sha256(content).hexdigest()


def test_unhashed_files_do_not_count(tmp_path: Path) -> None:
    def logged(text: str) -> Manifest:
        with new_artifact(tmp_path / "x", "thing", unhashed=("logs", "report.html")) as (folder, manifest):
            (folder / "logs").mkdir()
            write_text(folder / "logs" / "log.txt", text)
            write_text(folder / "report.html", text)
            write_text(folder / "data", "1")
        return manifest

    assert logged("monday") == logged("tuesday")
    assert list(logged("x").files) == ["data"]
    verify_artifact(tmp_path / "x")


def test_an_artifact_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    old = write(tmp_path / "x", data="old")
    with pytest.raises(RuntimeError, match="broken"), new_artifact(tmp_path / "x", "thing") as (folder, _):
        write_text(folder / "data", "half")
        raise RuntimeError("broken")
    assert verify_artifact(tmp_path / "x") == old
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_artifact_that_succeeds_replaces_the_old_one_wholly(tmp_path: Path) -> None:
    write(tmp_path / "x", data="old", more="old")
    write(tmp_path / "x", data="new")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["data", "manifest.json"]
    assert (tmp_path / "x" / "data").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_killed_writer_leaves_no_artifact_and_can_run_again(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom kuberec.artifacts import new_artifact, write_text\n"
        "with new_artifact(sys.argv[1], 'thing') as (folder, _):\n"
        "    write_text(folder / 'data', 'half')\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x")], check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(ArtifactError, match="no finished artifact"):
        read_manifest(tmp_path / "x")
    whole = write(tmp_path / "x", data="whole")
    assert verify_artifact(tmp_path / "x") == whole


def test_a_missing_parent_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match="no finished artifact"),
        new_artifact(tmp_path / "x", "thing", parents={"p": tmp_path / "absent"}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("precious")
    with pytest.raises(ArtifactError, match="x is a file; a folder is to be written there"):
        write(tmp_path / "x", data="1")
    assert (tmp_path / "x").read_text() == "precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="the disk is full"), new_artifact(tmp_path / "x", "thing"):
        Path("/dev/full").write_text("more than fits")
    assert list(tmp_path.iterdir()) == []


def test_other_system_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_artifact(tmp_path / "x", "thing"):
        (tmp_path / "absent").read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"kind": "x", "strange": 1}', b"{}", b"\xff\xfe\x00"])
def test_a_broken_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "x", data="1")
    (tmp_path / "x" / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read"):
        read_manifest(tmp_path / "x")


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "x", data="1", other="2")
    (tmp_path / "x" / "data").write_text("2")
    with pytest.raises(ArtifactError, match="the file data was changed"):
        verify_artifact(tmp_path / "x")
    (tmp_path / "x" / "data").unlink()
    with pytest.raises(ArtifactError, match="the file data is missing"):
        verify_artifact(tmp_path / "x")


def test_a_manifest_made_to_fit_a_changed_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "x", data="1")
    (tmp_path / "x" / "data").write_text("2")
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_text())
    manifest["files"]["data"] = file_hash(tmp_path / "x" / "data")
    write_json(tmp_path / "x" / "manifest.json", manifest)
    with pytest.raises(ArtifactError, match=r"manifest\.json was changed"):
        verify_artifact(tmp_path / "x")


def test_json_is_sorted_readable_and_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": "ü", "a": [1]})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "a": [\n    1\n  ],\n  "b": "ü"\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", float("nan"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "x", "\ud800")
    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
