"""From a trained model to a live answer, with the verbs alone."""

import json
from pathlib import Path

from kuberec.serving.testing import model_server
from tests.kuberec.cli.conftest import Kuberec
from tests.kuberec.conftest import Run


def gate_words(run: Run, output: Path) -> list[object]:
    inputs = ("evaluation", "split", "features", "export", "parity")
    return ["gate", *(word for name in inputs for word in (f"--{name}", getattr(run, name))), "-o", output]


def test_a_model_becomes_a_live_answer(kuberec: Kuberec, run: Run, tmp_path: Path) -> None:
    judged = kuberec(*gate_words(run, tmp_path / "verdict"), "--margin", -0.2)
    assert judged.code == 0, judged.out + judged.err
    assert "The gate is open" in judged.out
    repository = tmp_path / "models"
    published = kuberec("promote", run.export, tmp_path / "verdict", "--repository", repository, "--json")
    assert json.loads(published.out)["version"] == 1
    with model_server(repository) as target:
        words = ["recommend", "--user", "nobody", "-k", 4, "--target", target, "--repository", repository, "--json"]
        stranger = json.loads(kuberec(*words).out)
        first = stranger["items"][0]["item_id"]
        without = json.loads(kuberec(*words, "--exclude", first).out)
        moved = json.loads(kuberec(*words, "--history", stranger["items"][-1]["item_id"]).out)
    ids = [item["item_id"] for item in stranger["items"]]
    assert len(set(ids)) == 4
    assert first not in [item["item_id"] for item in without["items"]]
    assert [item["item_id"] for item in moved["items"]] != ids


def test_a_shut_gate_is_exit_code_1_and_stops_promotion(kuberec: Kuberec, run: Run, tmp_path: Path) -> None:
    judged = kuberec(*gate_words(run, tmp_path / "verdict"), "--margin", 0.99, "--json")
    assert judged.code == 1
    assert json.loads(judged.out)["passed"] is False
    refused = kuberec("promote", run.export, tmp_path / "verdict", "--repository", tmp_path / "models")
    assert refused.code == 7
    assert not (tmp_path / "models").exists()


def test_a_model_is_judged_and_its_export_compared(kuberec: Kuberec, run: Run, tmp_path: Path) -> None:
    judged = kuberec(
        "evaluate", run.model, run.weak, "--split", run.split, "--features", run.features,
        "-o", tmp_path / "evaluation", "--baseline", "popularity", "--resamples", 50, "--json",
    )  # fmt: skip
    assert judged.code == 0, judged.err
    assert json.loads(judged.out)["kind"] == "evaluation"
    compared = kuberec("validate-export", run.export, run.model, run.features, "-o", tmp_path / "parity")
    assert compared.code == 0, compared.err
    assert "passed" in compared.out
    assert "FAILED" not in compared.out


def test_an_export_of_another_model_fails_the_comparison(kuberec: Kuberec, run: Run, tmp_path: Path) -> None:
    compared = kuberec("validate-export", run.export, run.weak, run.features, "-o", tmp_path / "parity", "--json")
    assert compared.code == 1
    assert not all(check["passed"] for check in json.loads(compared.out)["checks"])
