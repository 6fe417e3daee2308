from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.figures import METRICS, figures
from benchmarks.quality.protocols import Task, prepare
from benchmarks.quality.runs import Entry, Result
from tests.benchmarks.quality.folders import histories, write_contract

NDCG = METRICS.index("ndcg@10")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return prepare(write_contract(tmp_path / "shop", histories()), "ratio", work=tmp_path)


def result(name: str, seed: int, values: np.ndarray[tuple[int, int], np.dtype[np.float64]], task: str = "") -> Result:
    return Result(Entry.reference(name), task, seed, {"a": 1}, None, {}, 1.5, {"full": values}, {}, "a machine")


def test_means_spread_and_leads_are_those_of_the_values(task: Task) -> None:
    rng = np.random.default_rng(0)
    own = [rng.random((30, len(METRICS))) for _ in range(3)]
    other = rng.random((30, len(METRICS)))
    results = [
        [result("als", seed, values) for seed, values in enumerate(own)],
        [result("popularity", 0, other)],
    ]
    first, second = figures(task, results, 3)["entries"]
    means = [float(values[:, NDCG].mean()) for values in own]
    shown = first["views"]["full"]["ndcg@10"]
    assert shown["mean"] == pytest.approx(sum(means) / 3, abs=1e-6)
    assert shown["deviation"] == pytest.approx(np.std(means, ddof=1), abs=1e-6)
    assert shown["low"] < shown["mean"] < shown["high"]
    lead = first["leads"]["popularity"]["full"]["ndcg@10"]
    assert lead["mean"] == pytest.approx(shown["mean"] - float(other[:, NDCG].mean()), abs=2e-6)
    assert "deviation" not in second["views"]["full"]["ndcg@10"]
    assert second["leads"] == {}


def test_a_constant_lead_is_certain(task: Task) -> None:
    values = np.random.default_rng(0).random((30, len(METRICS)))
    results = [[result("als", 0, values + 0.25)], [result("popularity", 0, values)]]
    lead = figures(task, results, 1)["entries"][0]["leads"]["popularity"]["full"]["ndcg@10"]
    assert lead["low"] == pytest.approx(0.25)
    assert lead["high"] == pytest.approx(0.25)


def test_seeds_that_draw_their_own_users_are_judged_by_all_of_them(task: Task) -> None:
    rng = np.random.default_rng(0)
    own = [rng.random((users, len(METRICS))) for users in (30, 20)]
    other = [values - 0.25 for values in own]
    results = [
        [result(name, seed, values[seed], task=f"draw {seed}") for seed in range(2)]
        for name, values in (("als", own), ("popularity", other))
    ]
    first = figures(task, results, 2)["entries"][0]
    assert first["views"]["full"]["ndcg@10"]["mean"] == pytest.approx(np.concatenate(own)[:, NDCG].mean(), abs=1e-6)
    assert first["leads"]["popularity"]["full"]["ndcg@10"]["low"] == pytest.approx(0.25)
