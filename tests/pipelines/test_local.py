"""The pipeline on one machine: run for real, run again, refused, failed."""

import csv
import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from kuberec.artifacts import read_manifest
from kuberec.errors import ConfigError, DataError, SourceError
from kuberec.gitops.promotion import Environment, history
from pipelines.demo import tell
from pipelines.local import RunResult, run
from tests.kuberec.gitops.deployment import VERSION_YAML, make_checkout
from tests.pipelines.conftest import Workshop

pytestmark = pytest.mark.slow

STEPS = [
    "ingest", "validate", "split", "featurize", "train matrix_factorization", "evaluate", "export", "validate_export",
    "gate", "promote",
]  # fmt: skip


def content(result: RunResult) -> dict[str, str]:
    folders = {name: path for name, path in result.artifacts.items() if path.is_dir()}
    return {name: read_manifest(path).content_hash for name, path in folders.items()}


def test_every_step_runs_once_and_in_order(unbroken: RunResult) -> None:
    assert list(unbroken.executed) == STEPS
    assert unbroken.cached == ()


def test_a_good_model_is_published(unbroken: RunResult, workshop: Workshop) -> None:
    assert unbroken.passed, (unbroken.artifacts["verdict"] / "verdict.md").read_text()
    assert unbroken.version == 1
    version = workshop.folder / "models" / "recommender" / "1"
    assert read_manifest(version).content_hash == read_manifest(unbroken.artifacts["exported"]).content_hash


def test_every_artifact_names_its_parents(unbroken: RunResult) -> None:
    hashes = content(unbroken)
    for child, parent in (
        ("validated", "dataset"), ("parts", "validated"), ("features", "parts"),
        ("model/matrix_factorization", "features"), ("evaluation", "parts"), ("exported", "candidate"),
        ("parity", "exported"), ("verdict", "evaluation"), ("verdict", "parity"),
    ):  # fmt: skip
        parents = read_manifest(unbroken.artifacts[child]).parents
        assert hashes[parent] in parents.values(), (child, parent)


def test_what_the_kubeflow_ui_shows_is_written(unbroken: RunResult) -> None:
    for name in ("data_report", "report"):
        assert "<html" in unbroken.artifacts[name].read_text(encoding="utf-8").lower()
    for name in ("summary", "reasons"):
        assert unbroken.artifacts[name].read_text(encoding="utf-8").startswith("# ")
    assert json.loads(unbroken.artifacts["metrics"].read_text(encoding="utf-8"))["candidate"] == "matrix_factorization"


def test_a_rerun_with_nothing_changed_only_asks_the_repository(unbroken: RunResult, workshop: Workshop) -> None:
    again = run(workshop.config())
    assert list(again.executed) == ["promote"]
    assert list(again.cached) == STEPS[:-1]
    assert again.version == unbroken.version
    assert content(again) == content(unbroken)


def test_a_passed_candidate_becomes_the_canary_where_a_git_repository_is_named(
    unbroken: RunResult, workshop: Workshop
) -> None:
    checkout = make_checkout(workshop.folder / "deploy", VERSION_YAML)
    again = run(workshop.config(git=str(checkout)))
    assert list(again.executed) == ["promote"]
    (record,) = history(Environment(str(checkout), "dev"))
    assert (record.label, record.version) == ("canary", unbroken.version)
    assert record.run.startswith("training-")
    metrics = read_manifest(unbroken.artifacts["evaluation"]).facts["metrics"]
    assert record.metrics["ndcg@10"] == pytest.approx(metrics["ndcg@10"], rel=1e-5)


def test_a_shut_gate_publishes_nothing_and_reuses_the_rest(unbroken: RunResult, workshop: Workshop) -> None:
    refused = run(workshop.config(margin=0.9))
    assert not refused.passed
    assert refused.version is None
    assert list(refused.executed) == ["evaluate", "gate"]  # now beside the champion, the version that serves
    assert [path.name for path in (workshop.folder / "models" / "recommender").glob("[!.]*")] == ["1"]


def test_a_source_written_again_is_read_again_and_its_equal_content_reuses_the_rest(
    unbroken: RunResult, workshop: Workshop
) -> None:
    os.utime(workshop.folder / "data" / "events.csv")
    again = run(workshop.config())
    # A changed source makes another run: it is judged against the version that serves, which is its equal.
    assert "ingest" in again.executed
    assert set(again.cached) >= {"validate", "split", "featurize", "train matrix_factorization", "export"}
    assert content(again)["exported"] == content(unbroken)["exported"]
    assert again.version == unbroken.version


def test_a_damaged_artifact_is_made_again(unbroken: RunResult, workshop: Workshop) -> None:
    (unbroken.artifacts["features"] / "items.parquet").write_bytes(b"torn")
    again = run(workshop.config())
    assert "featurize" in again.executed
    assert "train matrix_factorization" in again.cached
    assert content(again)["features"] == read_manifest(unbroken.artifacts["features"]).content_hash


def test_a_failed_step_is_named_with_its_reason_and_its_log(new_workshop: Callable[[], Workshop]) -> None:
    workshop = new_workshop()
    with (workshop.folder / "data" / "events.csv").open("a", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("1", "", "1600000000")] * 2000)
    with pytest.raises(DataError, match=r"The step validate failed: .*max_bad_share(.|\n)*Log: .*run\.log") as caught:
        run(workshop.config())
    assert caught.value.exit_code == 4
    assert "Traceback" in (workshop.folder / "run" / "run.log").read_text(encoding="utf-8")


def test_a_missing_source_is_told_in_one_line(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    with pytest.raises(SourceError, match=r"The step ingest failed: .*dataset\.yaml does not exist"):
        run(workshop.config())


def test_two_runs_do_not_share_a_work_folder(unbroken: RunResult, workshop: Workshop) -> None:
    import fcntl

    with (workshop.folder / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="Another run is working"):
            run(workshop.config())


def test_the_demonstration_tells_what_came_of_a_run(unbroken: RunResult, workshop: Workshop) -> None:
    text = StringIO()
    tell(unbroken, workshop.config(), Console(file=text, width=120))
    told = text.getvalue()
    for expected in (
        "matrix_factorization", "popularity", "markov", "passed, published as version 1", "better than popularity",
        "localhost:", "User 196 watches three films", "new in the top ten", "kuberec serve --repository",
    ):  # fmt: skip
        assert expected in told, told


def test_a_refused_candidate_is_shown_as_not_promoted(unbroken: RunResult, workshop: Workshop) -> None:
    config = workshop.config(margin=0.9)
    text = StringIO()
    tell(run(config), config, Console(file=text, width=120))
    assert "refused, nothing was published" in text.getvalue()
    assert "not promoted" in text.getvalue()
