"""Each step's verb calls the library function of its name and shows what it gave."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from kuberec.artifacts import new_artifact, read_manifest, write_json
from kuberec.config import RunConfig
from tests.kuberec.cli.conftest import Kuberec

SPEC = """
name: shop
interactions:
  path: events.csv
  columns: {user_id: user, item_id: item, timestamp: time}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Twenty users and ten items; user u takes the items u to u + 7, one a minute."""
    rows = [f"u{user},i{(user + step) % 10},{60 * (user + 20 * step)}" for user in range(20) for step in range(8)]
    (tmp_path / "events.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    (tmp_path / "dataset.yaml").write_text(SPEC)
    return tmp_path / "dataset.yaml"


def test_the_data_steps_follow_on_each_other(kuberec: Kuberec, shop: Path, tmp_path: Path) -> None:
    dataset, validated, parts, features = (tmp_path / name for name in ("dataset", "validated", "split", "features"))
    run = kuberec("ingest", shop, "-o", dataset, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["rows"]["interactions"] == {"in": 160, "out": 160, "quarantined": 0}
    run = kuberec("validate", dataset, "-o", validated, "--max-bad-share", 0.5)
    assert run.code == 0, run.err
    assert f"validated → {validated}" in run.out
    run = kuberec("split", validated, "-o", parts, "--test-share", 0.25, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["content_hash"] == read_manifest(parts).content_hash
    assert json.loads((parts / "split.json").read_text())["parameters"]["test_share"] == 0.25
    run = kuberec("featurize", parts, "-o", features)
    assert run.code == 0, run.err
    assert f"features → {features}" in run.out


def test_a_setting_out_of_range_is_exit_code_2(kuberec: Kuberec, tmp_path: Path) -> None:
    with new_artifact(tmp_path / "validated", "validated"):
        pass
    run = kuberec("split", tmp_path / "validated", "-o", tmp_path / "split", "--strategy", "lottery")
    assert run.code == 2
    assert "lottery" in run.err
    assert not (tmp_path / "split").exists()


def test_a_setting_without_a_value_is_wrong_usage(kuberec: Kuberec, tmp_path: Path) -> None:
    run = kuberec("train", tmp_path, "-o", tmp_path / "model", "-f", "matrix_factorization", "--set", "epochs")
    assert run.code == 2
    assert "field=value" in run.err


def make_export(folder: Path) -> Path:
    with new_artifact(folder, "export") as (temporary, _):
        (temporary / "saved_model.pb").write_text("graph")
    return folder


def make_verdict(folder: Path, export: Path, passed: bool) -> Path:
    checks = [{"name": "ndcg@10", "passed": passed, "reason": "by 0.01"}]
    with new_artifact(folder, "verdict", parents={"export": export}) as (temporary, _):
        write_json(temporary / "verdict.json", {"passed": passed, "checks": checks})
    return folder


def test_promote_publishes_and_tells_the_version(kuberec: Kuberec, tmp_path: Path) -> None:
    export = make_export(tmp_path / "export")
    verdict = make_verdict(tmp_path / "verdict", export, passed=True)
    words = ["promote", export, verdict, "--repository", tmp_path / "models", "--model", "films"]
    assert json.loads(kuberec(*words, "--json").out)["version"] == 1
    assert (tmp_path / "models" / "films" / "1" / "saved_model.pb").is_file()
    assert "published" in kuberec(*words).out


def test_promote_refuses_with_exit_code_7(kuberec: Kuberec, tmp_path: Path) -> None:
    export = make_export(tmp_path / "export")
    verdict = make_verdict(tmp_path / "verdict", export, passed=False)
    run = kuberec("promote", export, verdict, "--repository", tmp_path / "models")
    assert run.code == 7
    assert "The gate refused this export: ndcg@10: by 0.01" in run.err


def test_run_prints_its_settings(kuberec: Kuberec, tmp_path: Path) -> None:
    run = kuberec("run", "--set", "seed=7", "--print-config")
    assert run.code == 0
    assert "seed: 7\n" in run.out
    (tmp_path / "run.yaml").write_text(run.out)
    assert kuberec("run", "--config", tmp_path / "run.yaml", "--print-config").out == run.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--set", "sed=7"], 2, "unknown setting 'sed'"),
        (["--set", "seed"], 2, "field=value"),
        (["--config", "absent.yaml"], 3, "absent.yaml does not exist"),
    ],
)
def test_wrong_settings_of_a_run(kuberec: Kuberec, words: list[str], code: int, message: str) -> None:
    run = kuberec("run", *words)
    assert run.code == code
    assert message in run.err


@pytest.mark.parametrize("passed", [True, False])
def test_run_tells_what_came_of_it(
    kuberec: Kuberec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    # The pipeline itself is tested in tests/pipelines; here only what the verb makes of its settings and its result.
    local = importlib.import_module("pipelines.local")
    verdict = make_verdict(tmp_path / "verdict", make_export(tmp_path / "export"), passed)
    seeds = []

    def pipeline(config: RunConfig) -> Any:
        seeds.append(config.seed)
        artifacts = {"verdict": verdict, "exported": tmp_path / "export"}
        return local.RunResult(artifacts, passed, 3 if passed else None, ("gate",), ("ingest",), 1.5, tmp_path / "log")

    monkeypatch.setattr(local, "run", pipeline)
    shown = kuberec("run", "--set", "seed=7", "--set", "model_name=films")
    told = kuberec("run", "--json")
    assert seeds == [7, 0]
    assert shown.code == told.code == (0 if passed else 1)
    assert ("films version 3 is published" in shown.out) is passed
    assert ("FAILED  ndcg@10  by 0.01" in shown.out) is not passed
    answer = json.loads(told.out)
    assert (answer["passed"], answer["executed"], answer["cached"]) == (passed, ["gate"], ["ingest"])
    assert answer["artifacts"]["verdict"] == str(verdict)
