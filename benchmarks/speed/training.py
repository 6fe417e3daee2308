"""Positives per second of training: Kuberec beside LightFM and beside Keras' own fit of the same model.

    .venv/bin/python benchmarks/speed/training.py [--data DIR]

Everybody trains on the same positives with the same vector length and number of threads, in turns, each time in a new
process: one pass to warm up, one that counts. A positive meets as many negatives as in LightFM: one with BPR, with WARP
as many as LightFM draws at most; nothing is blanked or shrunk. How good the same settings become, and how soon:
benchmarks/speed/time_to_quality.py. The share of a step that gathers inputs comes from TensorFlow's profiler. The last
line is one JSON object.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.command import (
    EMBEDDING_SIZE,
    add_data,
    finish,
    keras_fit,
    movielens_or_synthetic,
    new_parser,
    ours,
    peer,
    stored,
    table,
)

FAMILIES = ("matrix_factorization", "triplet")
SETTINGS = {"dropout": 0, "regularization": 0, "learning_rate": 0.01, "batch_size": 16384, "group_size": 512}
LOSSES = {"bpr": {"loss": "bpr", "comparisons": 1}, "warp": {"loss": "warp", "comparisons": 10}}
KERAS = "keras fit bpr"
PROFILED = f"{FAMILIES[0]} bpr"


def main() -> None:
    """Measure and print."""
    parser = new_parser(__doc__)
    add_data(parser)
    parser.add_argument("--rounds", type=int, default=3, help="turns; the median counts (3)")
    arguments = parser.parse_args()
    positives, description = movielens_or_synthetic(arguments.data)
    settings = {"embedding_size": EMBEDDING_SIZE, **SETTINGS, **arguments.set}
    with stored(positives) as path:
        profile = ours("profile", path, arguments.threads, FAMILIES[0], {**settings, **LOSSES["bpr"]})
        runs = _runs(path, arguments.threads, settings, profile["settings"]["batch_size"])
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                seconds[name] += run()["seconds"]
    speeds = {name: round(len(positives) / median(values)) for name, values in seconds.items()}
    ratios = _ratios(speeds)
    shares = {name: profile[name] for name in ("busy", "inputs")}
    result = {"data": description, "threads": arguments.threads, "settings": profile["settings"], "seconds": seconds}
    result |= {"positives_per_second": speeds, "ratios": ratios, "profile": shares}
    parts = [
        f"{description}; vectors of {EMBEDDING_SIZE}, {arguments.threads} threads, in turns, median of "
        f"{arguments.rounds} passes after a warm-up. Hyperparameters beside the defaults: {json.dumps(settings)}, with "
        f"{json.dumps(LOSSES['bpr'])} or {json.dumps(LOSSES['warp'])}.",
        _table(seconds, speeds, ratios),
        _profile_text(shares),
    ]
    finish(arguments.page, "speed-training", "Speed of training", parts, result)


def _runs(
    path: Path, threads: int, settings: dict[str, Any], batch_size: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    runs: dict[str, Callable[[], dict[str, Any]]] = {}
    for loss, like in LOSSES.items():
        for family in FAMILIES:
            runs[f"{family} {loss}"] = lambda family=family, like=like: ours(  # type: ignore[misc]
                "passes", path, threads, family, {**settings, **like}
            )
        runs[f"lightfm {loss}"] = lambda loss=loss: peer("passes", path, threads, f"lightfm_{loss}")  # type: ignore[misc]
    return {**runs, KERAS: lambda: keras_fit(path, threads, batch_size)}


def _ratios(speeds: dict[str, int]) -> dict[str, dict[str, float]]:
    """Kuberec's speed over that of the peers with the same loss."""
    ratios: dict[str, dict[str, float]] = {}
    for family in FAMILIES:
        for loss in LOSSES:
            name = f"{family} {loss}"
            ratios[name] = {"lightfm": round(speeds[name] / speeds[f"lightfm {loss}"], 2)}
    ratios[PROFILED]["keras fit"] = round(speeds[PROFILED] / speeds[KERAS], 2)
    return ratios


def _table(seconds: dict[str, list[float]], speeds: dict[str, int], ratios: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, speed in speeds.items():
        beside = ", ".join(f"{ratio:.2f} x {rival}" for rival, ratio in ratios.get(name, {}).items())
        low, high = min(seconds[name]), max(seconds[name])
        rows.append([name, f"{speed:,}", f"{low:.2f} to {high:.2f}", beside])
    return table(["trainer and loss", "positives per second", "seconds a pass", "beside peers"], rows)


def _profile_text(shares: dict[str, Any]) -> str:
    text = f"While `{PROFILED}` trains, an operation runs for {shares['busy']:.1%} of the time"
    if shares["inputs"] is None:
        return f"{text}."
    return f"{text}; drawing and gathering a step's inputs takes {shares['inputs']:.1%} of what the operations take."


if __name__ == "__main__":
    main()
