"""Kuberec in a process of its own: all that the speed benchmarks use of it. The last line is one JSON object.

.venv/bin/python benchmarks/speed/ours.py passes --positives FILE --family triplet --set '{"loss": "warp"}'
.venv/bin/python benchmarks/speed/ours.py curve --positives FILE --family matrix_factorization --reach 0.037
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.data import Positives, leave_one_out
from benchmarks.speed.judge import Curve, K
from benchmarks.speed.shares import shares
from kuberec.dataset import DatasetSpec, Interactions
from kuberec.features import EncodedInteractions, EntityTable, Features
from kuberec.training.checkpoints import Checkpoints
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import load_family
from kuberec.training.trainer import Phase, fit

Array = Any
WARM_UP = 1
MOST_PASSES = 100
WINDOW, WINDOWS = 40, 10
SECOND = 10**6


def features_of(positives: Positives) -> Features:
    """Features in memory without columns; everything is in the training part."""
    users, items = _table(positives.n_users), _table(positives.n_items)
    place = np.arange(len(positives)) - np.searchsorted(positives.user, positives.user)
    train = EncodedInteractions(
        user=(positives.user + 1).astype(np.int32),
        item=(positives.item + 1).astype(np.int32),
        value=np.ones(len(positives), dtype=np.float32),
        timestamp=place.astype(np.int64) * SECOND,
        label=np.ones(len(positives), dtype=bool),
    )
    spec = DatasetSpec(name="speed", interactions=Interactions(path="memory", timestamp_format="order"))
    return Features(spec, users, items, train, train.take(np.arange(0)), "in memory")


def _table(size: int) -> EntityTable:
    known = np.ones(size + 1, dtype=bool)
    known[0] = False
    # Indices are asked for, never ids: one shared text keeps tens of millions of rows small.
    return EntityTable(ids=np.full(size + 1, "", dtype=object), known=known, columns={}, infos={})


def phase_of(positives: Positives, family: str, overrides: dict[str, Any]) -> Phase:
    """A family before its first pass."""
    found = load_family(family)
    features = features_of(positives)
    config = parse_config(found.config, overrides)
    return Phase(found, config, features, features.train, TrainingRun(), Checkpoints(None))


def pass_seconds(phase: Phase, passes: int) -> list[float]:
    """Seconds of each pass after the warm-up, which also traces the graph."""
    seconds = []
    for epoch in range(WARM_UP + passes):
        start = time.perf_counter()
        phase.loop.run_epoch(epoch)
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def step_seconds(phase: Phase) -> list[float]:
    """Mean seconds of a step in each of some windows of steps, one after the other in the first pass, and around."""
    loop = phase.loop
    loop.data.shuffle(0, 0)
    length = min(WINDOW, loop.steps_per_epoch)
    windows = []
    for number in range(1 + WINDOWS):  # the first traces the graph
        first = number * length % (loop.steps_per_epoch - length + 1)
        start = time.perf_counter()
        float(loop._run_steps(tf.constant(0), tf.constant(first), tf.constant(first + length)))
        windows.append((time.perf_counter() - start) / length)
    return windows[1:]


def curve_of(positives: Positives, family: str, overrides: dict[str, Any], reach: float) -> dict[str, Any]:
    """Train on all but each user's last positive, judge after each pass, stop where NDCG@10 reaches `reach`."""
    train, target = leave_one_out(positives)
    curve = Curve(target)
    phase = phase_of(train, family, overrides)
    everybody = np.arange(1, train.n_users + 1, dtype=np.int32)
    for epoch in range(MOST_PASSES):
        phase.loop.run_epoch(epoch)
        if curve.add(epoch + 1, lambda: phase.model().rank(everybody, K)[0] - 1) >= reach:
            break
    return {"settings": phase.config.model_dump(mode="json"), "curve": curve.points}


def closed_form(positives: Positives, family: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a whole fit, and its NDCG@10."""
    train, target = leave_one_out(positives)
    found = load_family(family)
    config = parse_config(found.config, overrides)
    curve = Curve(target)
    model = fit(found, config, features_of(train), TrainingRun()).model
    everybody = np.arange(1, train.n_users + 1, dtype=np.int32)
    curve.add(1, lambda: model.rank(everybody, K)[0] - 1)
    return {"settings": config.model_dump(mode="json"), "curve": curve.points}


def ranking_of(phase: Phase, users: int, repeats: int) -> dict[str, float]:
    """Seconds of ranking the first users over the whole catalogue: at first, with the vectors to be made, and again.

    `trained_gib` is the greatest memory of the process before it ranks.
    """
    index = np.arange(1, users + 1, dtype=np.int32)
    phase.loop.run_epoch(0)
    trained = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    model = phase.model()
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        model.rank(index, K)
        seconds.append(time.perf_counter() - start)
    return {"first_seconds": seconds[0], "again_seconds": float(np.median(seconds[1:])), "trained_gib": trained}


def profile_of(phase: Phase) -> dict[str, float | None]:
    """Shares of one pass's time by the TensorFlow profiler; see `benchmarks/speed/shares.py`."""
    phase.loop.run_epoch(0)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        start = time.perf_counter()
        phase.loop.run_epoch(1)
        seconds = time.perf_counter() - start
        tf.profiler.experimental.stop()
        return {"seconds": seconds, **shares(Path(folder), seconds)}


def main() -> None:
    """Run one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("passes", "steps", "curve", "closed-form", "rank", "profile"))
    parser.add_argument("--positives", type=Path, required=True, help="an npz file of benchmarks/speed/data.py")
    parser.add_argument("--family", required=True)
    parser.add_argument("--set", type=json.loads, default={}, help="hyperparameters as JSON")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=1, help="passes to time after the warm-up (1)")
    parser.add_argument("--reach", type=float, default=1.0, help="NDCG@10 at which a curve ends")
    parser.add_argument("--users", type=int, help="users to rank for (all)")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    print(json.dumps(_answer(arguments)))


def _answer(arguments: argparse.Namespace) -> dict[str, Any]:
    positives = Positives.load(arguments.positives)
    if arguments.what == "curve":
        return curve_of(positives, arguments.family, arguments.set, arguments.reach)
    if arguments.what == "closed-form":
        return closed_form(positives, arguments.family, arguments.set)
    phase = phase_of(positives, arguments.family, arguments.set)
    settings = {"settings": phase.config.model_dump(mode="json") | {"batch_size": phase.loop.data.batch_size}}
    if arguments.what == "rank":
        return settings | ranking_of(phase, arguments.users or positives.n_users, repeats=3)
    if arguments.what == "profile":
        return settings | profile_of(phase)
    if arguments.what == "steps":
        return settings | {"step_seconds": step_seconds(phase)}
    return settings | {"seconds": pass_seconds(phase, arguments.passes)}


if __name__ == "__main__":
    main()
