"""From results to figures: means with intervals over users, spread over seeds, paired leads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.quality.protocols import Task
from benchmarks.quality.runs import K, Result
from kuberec.evaluation.bootstrap import CONFIDENCE, DIGITS, Floats, interval, resampled_means
from kuberec.evaluation.metrics import RANKING_METRICS

RESAMPLES = 1000
METRICS = tuple(f"{name}@{K}" for name in RANKING_METRICS)
REFERENCES = ("popularity", "random")
"""What leads are measured against, where they take part."""


def figures(task: Task, results: Sequence[Sequence[Result]], seeds: int) -> dict[str, Any]:
    """What a benchmark prints.

    Args:
        task: The task, or the first of those that the seeds draw.
        results: For each entry its results, one a seed.
        seeds: The number of seeds that were asked for.

    Returns:
        JSON: the task's facts and for each entry hyperparameters, seconds, epochs, and by view the metrics: `mean` over
        users and seeds, `deviation` of the seeds' means (absent for one seed), `low` and `high` of the bootstrap
        over users, each user's values averaged over the seeds of a task; and the paired `leads` over each of
        `REFERENCES` that took part.
    """
    references = {runs[0].entry.name: runs for runs in results if runs[0].entry.name in REFERENCES}
    return {
        "benchmark": "quality",
        "dataset": task.dataset,
        "protocol": task.protocol,
        "facts": task.facts,
        "seeds": seeds,
        "bootstrap": {"confidence": CONFIDENCE, "resamples": RESAMPLES},
        "entries": [_entry(runs, references) for runs in results],
    }


def _entry(runs: Sequence[Result], references: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    first = runs[0]
    views = {name: _metrics(runs, name) for name in first.values}
    leads = {
        name: {view: _lead(runs, other, view) for view in first.values}
        for name, other in references.items()
        if name != first.entry.name
    }
    return {
        "name": first.entry.name,
        "role": first.entry.role.value,
        "seeds": [run.seed for run in runs],
        "hyperparameters": dict(first.hyperparameters),
        "seconds": [run.seconds for run in runs],
        "machines": sorted({run.machine for run in runs}),
        "epochs": [run.epochs for run in runs],
        "validation": [{name: round(value, DIGITS) for name, value in run.validation.items()} for run in runs],
        "views": views,
        "lists": dict(first.lists),
        "leads": leads,
    }


def _metrics(runs: Sequence[Result], view: str) -> dict[str, dict[str, float]]:
    by_seed = np.stack([run.values[view].mean(axis=0) for run in runs])
    found = _intervals(_by_user(runs, view))
    if len(runs) > 1:
        for metric, deviation in zip(METRICS, by_seed.std(axis=0, ddof=1), strict=True):
            found[metric]["deviation"] = round(float(deviation), DIGITS)
    return found


def _lead(runs: Sequence[Result], reference: Sequence[Result], view: str) -> dict[str, dict[str, float]]:
    return _intervals(_by_user(runs, view) - _by_user(reference, view))


def _by_user(runs: Sequence[Result], view: str) -> Floats:
    """`[users, metrics]`, means over the seeds of each task; the users of one task after those of another."""
    tasks = dict.fromkeys(run.task for run in runs)
    means = [np.mean([run.values[view] for run in runs if run.task == task], axis=0) for task in tasks]
    return np.concatenate(means)


def _intervals(values: Floats) -> dict[str, dict[str, float]]:
    drawn = resampled_means(values, RESAMPLES, seed=0)
    return {metric: interval(values[:, n], drawn[:, n]).to_json() for n, metric in enumerate(METRICS)}
