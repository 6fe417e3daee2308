"""The workflows of GitHub Actions: safe as zizmor sees it, and calling targets that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
ZIZMOR = Path(sys.executable).with_name("zizmor")


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["check", "image", "manifests"]


def test_zizmor_finds_nothing() -> None:
    done = subprocess.run([ZIZMOR, "--offline", "--no-config", *WORKFLOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    loose = re.sub(r"@[0-9a-f]{40}", "@v5", WORKFLOWS[0].read_text(encoding="utf-8"))
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "check.yaml").write_text(loose, encoding="utf-8")
    done = subprocess.run([ZIZMOR, "--offline", "--no-config", folder], capture_output=True, text=True)
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_end_and_are_given_their_rights_one_by_one(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_they_call_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    calls = re.findall(r"run: make (.*)", text)
    called = {word for call in calls for word in call.partition("=")[0].split() if word.islower()}
    assert called <= targets
    files = re.findall(r"(?<=[ /])(?:\.ci/run|tests/[a-z/]+)(?=\s|$)", text)
    assert all((ROOT / file).exists() for file in files)
    assert called or files
