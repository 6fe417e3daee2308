"""Tries a grid of hyperparameters of one family and ranks them by the validation part; test rows are never looked at.

    .venv/bin/python benchmarks/quality/tune.py --dataset DIR --protocol P --family F --grid name=a,b,c [name=d,e …]

Values are YAML, separated by commas; lists in brackets: hidden_sizes=[128],[64,32]. The metric is NDCG@10 of the
validation part before it is learned, in the whole catalogue. `ncf` and `cold_items` ask something else: there, the test
rows are left out of the data, the protocol is applied to what remains, and the metric is NDCG@10 of its main view.
Every trial is kept as soon as it is done; the last line is one JSON object, best first.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import yaml

from benchmarks.quality.command import add_task_arguments, parse_overrides, prepared, reported
from benchmarks.quality.figures import METRICS
from benchmarks.quality.protocols import Protocol, Task
from benchmarks.quality.runs import Entry, K, Result, Store
from kuberec.errors import ConfigError

CHOOSING = f"ndcg@{K}"
HELD_BACK = (Protocol.NCF, Protocol.COLD_ITEMS)
"""Protocols whose question differs from the one that ends a training."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_arguments(parser)
    parser.add_argument("--family", required=True, help="a folder of models/")
    parser.add_argument("--grid", nargs="+", required=True, metavar="name=a,b,c", help="every combination is tried")
    parser.add_argument("--set", nargs="+", default=[], metavar="name=value", help="hyperparameters of every trial")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings a trial (1)")
    arguments = parser.parse_args()
    with reported():
        fixed = parse_overrides(arguments.set)
        entries = [(tried, Entry.family(arguments.family, {**fixed, **tried})) for tried in grid(arguments.grid)]
        task = prepared(arguments, held_back=arguments.protocol in HELD_BACK)
        store = Store(arguments.work, arguments.keep_older)
        trials = []
        for number, (tried, entry) in enumerate(entries, 1):
            runs = [store.get(task, entry, seed) for seed in range(arguments.seeds)]
            trials.append(trial(task, tried, runs))
            print(f"{number}/{len(entries)} {line(trials[-1])}", file=sys.stderr, flush=True)
        trials.sort(key=lambda one: -one["validation"][CHOOSING])
        for one in trials:
            print(line(one))
        facts = {"dataset": task.dataset, "protocol": task.protocol, "family": arguments.family, "set": fixed}
        print(json.dumps({"benchmark": "quality_tuning", **facts, "seeds": arguments.seeds, "trials": trials}))


def grid(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every combination of `name=a,b,c` texts.

    Raises:
        ConfigError: A text has no `=`, or no value.
    """
    names, choices = [], []
    for text in texts:
        name, _, values = text.partition("=")
        parsed = yaml.safe_load(f"[{values}]")
        if not parsed:
            raise ConfigError(f"name=a,b,c was expected, got {text!r}.")
        names.append(name)
        choices.append(parsed)
    return (dict(zip(names, values, strict=True)) for values in itertools.product(*choices))


def trial(task: Task, tried: dict[str, Any], runs: Sequence[Result]) -> dict[str, Any]:
    """What one combination is worth on validation: means over its seeds."""
    measured = [_validation(task, run) for run in runs]
    return {
        "tried": tried,
        "validation": {name: round(float(np.mean([each[name] for each in measured])), 6) for name in measured[0]},
        "epochs": [run.epochs for run in runs],
        "seconds": round(float(np.mean([run.seconds for run in runs])), 2),
    }


def _validation(task: Task, run: Result) -> dict[str, float]:
    if task.protocol not in HELD_BACK:
        return dict(run.validation)
    # What this task tests on was taken from train and validation: the true test rows were left out.
    means = dict(zip(METRICS, run.values[task.views[0].name].mean(axis=0), strict=True))
    return {name: float(means[name]) for name in (f"hr@{K}", f"ndcg@{K}")}


def line(one: dict[str, Any]) -> str:
    """A trial for people."""
    numbers = " ".join(f"{name} {value:.4f}" for name, value in one["validation"].items())
    return f"{numbers}  epochs {one['epochs']}  {one['seconds']:.0f} s  {one['tried']}"


if __name__ == "__main__":
    main()
