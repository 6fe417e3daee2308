"""A run killed inside its steps and started again gives what an unbroken run gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kill_resume import Runs
from kuberec.artifacts import read_manifest
from pipelines.local import RunResult
from tests.pipelines.conftest import Workshop

STEPS = ("ingest", "split", "train matrix_factorization", "evaluate", "export", "promote")
"""Each kind of work; `benchmarks/kill_resume.py` kills every step, twice."""


def content(folder: Path | str) -> str:
    return read_manifest(folder).content_hash


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_artifacts(
    unbroken: RunResult, workshop: Workshop, new_workshop: Callable[[], Workshop]
) -> None:
    config = new_workshop().config()
    settings = [f"source={config.source}", "families=matrix_factorization", f"margin={config.margin}"]
    runs = Runs(Path(config.work_dir).parent / "killed", settings)
    for step in STEPS:
        assert runs.kill_while_writing(step), step
    resumed = runs.finish()
    assert resumed.passed
    assert resumed.version == unbroken.version
    for name, path in unbroken.artifacts.items():
        if path.is_dir():
            assert content(resumed.artifacts[name]) == content(path), name
        else:
            assert Path(resumed.artifacts[name]).read_bytes() == path.read_bytes(), name
    assert content(runs.repository / "recommender" / "1") == content(workshop.folder / "models" / "recommender" / "1")
