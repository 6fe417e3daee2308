"""Trains recommenders on a protocol's task, judges them, and keeps each result, so that a benchmark can be resumed."""

import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.quality.datasets import WORK
from benchmarks.quality.fingerprint import code_digest
from benchmarks.quality.protocols import Task
from benchmarks.quality.random_order import RandomOrder
from kuberec.artifacts import new_artifact, write_json
from kuberec.baselines import BASELINES, fit_baseline
from kuberec.errors import ConfigError
from kuberec.evaluation.bootstrap import Floats
from kuberec.evaluation.contenders import Role
from kuberec.fingerprint import digest
from kuberec.recommender import Recommender
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import load_family

K = 10
REFERENCES = (*BASELINES, RandomOrder.name)
SEEDED_REFERENCES = ("als", RandomOrder.name)
"""The references that a seed changes; the others are run once."""
RESULT_FILE = "result.json"
VALUES_FILE = "values.npz"
KEPT = ("hyperparameters", "epochs", "validation", "seconds", "lists", "machine")
"""The fields of a `Result` that the result file holds under their own names."""


@dataclass(frozen=True)
class Entry:
    """What takes part: a family with hyperparameters that differ from its defaults, or a reference.

    Raises:
        ConfigError, ModelError: There is no such family, reference or hyperparameter.
    """

    name: str
    role: Role
    overrides: Mapping[str, Any]

    @staticmethod
    def family(name: str, overrides: Mapping[str, Any] | None = None) -> "Entry":
        """A model family."""
        parse_config(load_family(name).config, overrides or {})
        return Entry(name, Role.MODEL, overrides or {})

    @staticmethod
    def reference(name: str) -> "Entry":
        """A baseline, which chooses its own hyperparameters on the validation part, or the random order."""
        if name not in REFERENCES:
            raise ConfigError(f"there is no baseline {name!r}; the baselines are {', '.join(REFERENCES)}.")
        return Entry(name, Role.BASELINE, {})

    def seeds(self, count: int) -> range:
        """The seeds to run out of the first `count`."""
        return range(1 if self.role is Role.BASELINE and self.name not in SEEDED_REFERENCES else count)

    def identity(self) -> dict[str, Any]:
        """What tells two entries apart: role, name and every hyperparameter."""
        chosen = parse_config(load_family(self.name).config, self.overrides) if self.role is Role.MODEL else None
        return {
            "role": self.role.value,
            "name": self.name,
            "hyperparameters": chosen.model_dump(mode="json") if chosen else {},
        }

    def code(self) -> str:
        """Hash of the code that learns."""
        own = ("kuberec/training", f"models/{self.name}") if self.role is Role.MODEL else ("kuberec/baselines.py",)
        return code_digest("benchmarks/quality/random_order.py", "kuberec/recommender.py", "kuberec/ease.py", *own)


@dataclass(frozen=True)
class Result:
    """One entry with one seed on one task.

    Attributes:
        entry: Who.
        task: Key of the task.
        seed: Seed of the training.
        hyperparameters: All of them, as they were used.
        epochs: Passes that the validation part chose; None for references.
        validation: Metrics on the validation part before it was learned; empty for references.
        seconds: Wall-clock time of the training, the choice of hyperparameters and passes included.
        values: View → `[users, metrics]`.
        lists: View → facts of the lists as a whole.
        machine: What it ran on.
    """

    entry: Entry
    task: str
    seed: int
    hyperparameters: Mapping[str, Any]
    epochs: int | None
    validation: Mapping[str, float]
    seconds: float
    values: Mapping[str, Floats]
    lists: Mapping[str, Any]
    machine: str


class Store:
    """Keeps results by task, entry and seed.

    Args:
        work: The work folder.
        keep_older: Whether a result of other code is good enough; else it is made again.
    """

    def __init__(self, work: Path = WORK, keep_older: bool = False) -> None:
        self.folder, self.keep_older = work / "results", keep_older

    def get(self, task: Task, entry: Entry, seed: int) -> Result:
        """The stored result, else a new one."""
        folder = self.folder / digest([task.key, entry.identity(), seed, K])
        if not self._holds(folder, entry):
            print(f"{task.dataset} {task.protocol}: {entry.name}, seed {seed}", file=sys.stderr, flush=True)
            self._write(folder, task, run(task, entry, seed))
        return self._read(folder, task, entry, seed)

    def results(self, task: Task, entries: Sequence[Entry], seeds: int) -> Iterator[list[Result]]:
        """The results of each entry, one a seed."""
        for entry in entries:
            yield [self.get(task, entry, seed) for seed in entry.seeds(seeds)]

    def _holds(self, folder: Path, entry: Entry) -> bool:
        if not (folder / RESULT_FILE).is_file():
            return False
        return self.keep_older or _read_json(folder / RESULT_FILE)["code"] == entry.code()

    def _read(self, folder: Path, task: Task, entry: Entry, seed: int) -> Result:
        kept = _read_json(folder / RESULT_FILE)
        with np.load(folder / VALUES_FILE) as arrays:
            values = {name: arrays[name] for name in arrays.files}
        return Result(entry=entry, task=task.key, seed=seed, values=values, **{name: kept[name] for name in KEPT})

    def _write(self, folder: Path, task: Task, result: Result) -> None:
        kept = {
            "dataset": task.dataset,
            "protocol": task.protocol,
            "entry": result.entry.identity(),
            "code": result.entry.code(),
            **{name: getattr(result, name) for name in KEPT},
        }
        with new_artifact(folder, "quality_result", seed=result.seed) as (target, _):
            write_json(target / RESULT_FILE, kept)
            np.savez(target / VALUES_FILE, **dict(result.values))


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def run(task: Task, entry: Entry, seed: int) -> Result:
    """Train and judge one entry."""
    start = time.perf_counter()
    recommender, hyperparameters, epochs, validation = _fit(task, entry, seed)
    seconds = time.perf_counter() - start
    measured = {view.name: view.measure(recommender, task.features, K) for view in task.views}
    values = {name: each.values for name, each in measured.items()}
    lists = {name: each.lists for name, each in measured.items()}
    return Result(
        entry, task.key, seed, hyperparameters, epochs, validation, round(seconds, 2), values, lists, machine()
    )


def _fit(task: Task, entry: Entry, seed: int) -> tuple[Recommender, Mapping[str, Any], int | None, Mapping[str, float]]:
    if entry.name == RandomOrder.name:
        return RandomOrder(task.features, seed), {}, None, {}
    if entry.role is Role.BASELINE:
        baseline = fit_baseline(entry.name, task.features, k=K, seed=seed)
        return baseline, baseline.parameters, None, {}
    # Imported here, so that a command's --help does not wait for TensorFlow.
    from kuberec.training.trainer import fit

    family = load_family(entry.name)
    config = parse_config(family.config, entry.overrides)
    training = fit(family, config, task.features, TrainingRun(seed=seed, k=K))
    return training.model, training.config.model_dump(mode="json"), training.epochs, training.validation


def machine() -> str:
    """Processor, cores and memory, for people."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    gib = psutil.virtual_memory().total / 2**30
    return f"{model or platform.machine()}, {psutil.cpu_count()} cores, {gib:.0f} GiB of memory"
