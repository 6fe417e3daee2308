from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import runs
from benchmarks.quality.protocols import Task, prepare
from benchmarks.quality.runs import Entry, Result, Store
from kuberec.errors import ConfigError, ModelError
from tests.benchmarks.quality.folders import histories, write_contract


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return prepare(write_contract(tmp_path / "shop", histories()), "ratio", work=tmp_path)


def trained(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What has been trained since the last question, by the lines that say so."""
    return [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines() if ", seed " in line]


def equal(one: Result, other: Result) -> bool:
    same = [getattr(one, name) == getattr(other, name) for name in ("entry", "seed", *runs.KEPT)]
    return all(same) and all((one.values[view] == other.values[view]).all() for view in one.values)


def test_a_result_is_kept_and_found_again(tmp_path: Path, task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    entry = Entry.reference("popularity")
    first = Store(tmp_path).get(task, entry, 0)
    assert trained(capsys) == ["popularity, seed 0"]
    again = Store(tmp_path).get(task, entry, 0)
    assert trained(capsys) == []
    assert equal(first, again)
    assert first.values["full"].shape == (task.views[0].users, 5)


def test_another_seed_task_or_entry_is_another_result(
    tmp_path: Path, task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    other = prepare(tmp_path / "shop", "leave_one_out", work=tmp_path)
    store.get(task, Entry.reference("random"), 0)
    store.get(task, Entry.reference("random"), 1)
    store.get(other, Entry.reference("random"), 0)
    store.get(task, Entry.reference("markov"), 0)
    assert trained(capsys) == ["random, seed 0", "random, seed 1", "random, seed 0", "markov, seed 0"]


def test_a_result_of_other_code_is_made_again_unless_it_shall_be_kept(
    tmp_path: Path, task: Task, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry.reference("popularity")
    Store(tmp_path).get(task, entry, 0)
    trained(capsys)
    monkeypatch.setattr(runs, "code_digest", lambda *names: "other")
    Store(tmp_path, keep_older=True).get(task, entry, 0)
    assert trained(capsys) == []
    Store(tmp_path).get(task, entry, 0)
    assert trained(capsys) == ["popularity, seed 0"]


def test_only_what_a_seed_changes_is_run_with_several() -> None:
    assert list(Entry.reference("popularity").seeds(3)) == [0]
    assert list(Entry.reference("random").seeds(3)) == [0, 1, 2]
    assert list(Entry.family("matrix_factorization").seeds(3)) == [0, 1, 2]


def test_defaults_spelled_out_are_the_same_entry() -> None:
    family = Entry.family("matrix_factorization")
    default = family.identity()["hyperparameters"]["learning_rate"]
    assert Entry.family("matrix_factorization", {"learning_rate": default}).identity() == family.identity()
    assert Entry.family("matrix_factorization", {"learning_rate": default * 2}).identity() != family.identity()


def test_who_does_not_exist_is_an_error() -> None:
    with pytest.raises(ModelError, match="no_such_family"):
        Entry.family("no_such_family")
    with pytest.raises(ConfigError, match="no_such_hyperparameter"):
        Entry.family("matrix_factorization", {"no_such_hyperparameter": 1})
    with pytest.raises(ConfigError, match="no_such_baseline"):
        Entry.reference("no_such_baseline")


@pytest.mark.slow
def test_a_family_is_trained_and_judged(tmp_path: Path, task: Task) -> None:
    overrides = {"epochs": 2, "embedding_size": 4, "batch_size": 64}
    result = Store(tmp_path).get(task, Entry.family("matrix_factorization", overrides), 0)
    assert result.epochs in (1, 2)
    assert result.hyperparameters["embedding_size"] == 4
    assert result.seconds > 0
    assert "ndcg@10" in result.validation
    assert np.isfinite(result.values["full"]).all()
