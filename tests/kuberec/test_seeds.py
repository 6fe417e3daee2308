"""Seeds that a library would refuse, or take for another one, are refused by the step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuberec.cli import main
from kuberec.errors import ConfigError
from kuberec.evaluate import evaluate
from kuberec.seeds import LIMIT, check_seed
from kuberec.split import split
from kuberec.train import train
from tests.kuberec.conftest import Run

BAD: list[Any] = [-1, LIMIT, 2**32, 1.0, "7", None, True]
FAST = {"epochs": 1, "embedding_size": 4, "batch_size": 64}


@pytest.mark.parametrize("seed", BAD)
def test_every_step_refuses_what_is_no_seed(run: Run, tmp_path: Path, seed: Any) -> None:
    steps: list[Callable[[], Any]] = [
        lambda: split(run.split, tmp_path / "out", seed=seed),
        lambda: train(run.features, tmp_path / "out", family="als", seed=seed),
        lambda: evaluate([run.model], run.split, run.features, tmp_path / "out", seed=seed),
    ]
    for ask in steps:
        with pytest.raises(ConfigError, match=f"seed must be a whole number from 0 to {LIMIT - 1}, got {seed!r}"):
            ask()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", ["-1", str(LIMIT)])
def test_the_command_line_refuses_it_too(run: Run, tmp_path: Path, seed: str) -> None:
    assert main(["train", str(run.features), "-o", str(tmp_path / "out"), "-f", "als", "--seed", seed]) == 2


@pytest.mark.parametrize(
    ("family", "overrides"),
    [("als", {"embedding_size": 4}), ("matrix_factorization", FAST), ("triplet", {**FAST, "loss": "bpr"})],
)
def test_the_greatest_seed_trains(run: Run, tmp_path: Path, family: str, overrides: dict[str, Any]) -> None:
    assert train(run.features, tmp_path / "out", family=family, overrides=overrides, seed=LIMIT - 1).seed == LIMIT - 1


def test_the_least_and_the_greatest_are_seeds() -> None:
    check_seed(0)
    check_seed(LIMIT - 1)
