"""From a passed gate to a served version, back, and what the history says, with the verbs alone."""

import json
from pathlib import Path

import pytest

from kuberec.serving.config import read_config
from tests.kuberec.cli.conftest import Kuberec
from tests.kuberec.gitops.deployment import VERSION_YAML, make_checkout, make_export, make_verdict


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "deploy", VERSION_YAML)


def promote(kuberec: Kuberec, checkout: Path, content: str, *words: object) -> dict[str, object]:
    work = checkout.parent / content
    export = make_export(work / "export", content)
    make_verdict(work / "verdict", export)
    models = checkout.parent / "models"
    done = kuberec("promote", export, work / "verdict", "-r", models, "--git", checkout, *words, "--json")
    assert done.code == 0, done.err
    answer: dict[str, object] = json.loads(done.out)
    return answer


def test_an_export_is_published_and_promoted_at_once(kuberec: Kuberec, checkout: Path) -> None:
    first = promote(kuberec, checkout, "a")
    assert (first["version"], first["previous"], first["branch"], first["changed"]) == (1, None, "main", True)
    second = promote(kuberec, checkout, "b", "--run", "training-17")
    assert (second["label"], second["version"], second["previous"]) == ("canary", 2, 1)
    again = promote(kuberec, checkout, "b")
    assert (again["version"], again["changed"]) == (2, False)


def test_there_and_back_is_history(kuberec: Kuberec, checkout: Path) -> None:
    models = checkout.parent / "models"
    promote(kuberec, checkout, "a")
    promote(kuberec, checkout, "b", "--run", "training-17")
    moved = kuberec("promote", "--version", 2, "--label", "stable", "-r", models, "--git", checkout)
    assert moved.code == 0, moved.err
    assert "promoted" in moved.out
    back = kuberec("rollback", "--git", checkout, "-r", models, "--reason", "click rate fell")
    assert back.code == 0, back.err
    assert "rolled back" in back.out
    told = kuberec("history", "--git", checkout)
    assert "click rate fell" in told.out
    assert "recommender canary 1 → 2" in told.out
    assert "training-17" in told.out
    assert "ndcg@10 0.3" in told.out
    listed = json.loads(kuberec("history", "--git", checkout, "--json").out)
    assert [each["action"] for each in listed] == ["rollback", "promote", "promote", "promote"]
    assert listed[0]["commit"].startswith(back.out.split()[-1])


def test_a_promotion_is_synced(kuberec: Kuberec, checkout: Path, tmp_path: Path) -> None:
    promote(kuberec, checkout, "a")
    file = checkout / "manifests" / "overlays" / "dev" / "version.yaml"
    words = ("--versions", file, "-r", tmp_path / "models", "--target", tmp_path / "served", "--once")
    done = kuberec("sync-models", *words)
    assert done.code == 0, done.err
    (model,) = read_config(tmp_path / "served" / "models.config").model_config_list.config
    assert (model.name, model.base_path) == ("recommender", str(tmp_path / "served" / "recommender"))
    assert (tmp_path / "served" / "recommender" / "1" / "saved_model.pb").read_text() == "a"


def test_errors_are_one_line_and_exit_code_8(kuberec: Kuberec, checkout: Path, tmp_path: Path) -> None:
    for words in (
        ["rollback", "--git", checkout, "--reason", "slow"],
        ["history", "--git", tmp_path / "absent"],
        ["sync-models", "--versions", tmp_path / "absent.yaml", "--target", tmp_path / "served", "--once"],
        ["promote", "--version", 1, "-r", tmp_path / "models", "--git", checkout],
    ):
        done = kuberec(*words)
        assert done.code == 8, words
        assert done.err.startswith("Error: ")
        assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["promote"], ["promote", "an-export"], ["promote", "--version", "1"], ["sync-models", "--versions", "a.yaml"]],
)
def test_wrong_usage_is_exit_code_2(kuberec: Kuberec, words: list[str]) -> None:
    assert kuberec(*words).code == 2
