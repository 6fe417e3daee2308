"""Seconds of training to the NDCG@10 that a peer reaches at its best: leave-one-out, full ranking, MovieLens-1M.

    .venv/bin/python benchmarks/speed/time_to_quality.py --data DIR

Each user's last film is sought among all films, without those the user took. A peer's time ends where its NDCG is
highest; Kuberec trains with vectors as long as the peers' until it is as good. Beside them stand closed forms, and what
the settings of benchmarks/speed/training.py come to. Judging costs nobody time, starting a process neither; tracing the
graph counts. The last line is one JSON object.

Kuberec's learning rate and regularization are those that are best after eight passes on validation rows, by

    .venv/bin/python benchmarks/quality/tune.py --dataset DIR/ml-1m --protocol leave_one_out \\
        --family matrix_factorization --set embedding_size=64 batch_size=16384 dropout=0 epochs=8 patience=null \\
        --grid learning_rate=0.005,0.01,0.02,0.04 regularization=0,0.005
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.command import (
    EMBEDDING_SIZE,
    add_data,
    finish,
    movielens_or_synthetic,
    new_parser,
    ours,
    peer,
    stored,
    table,
)
from benchmarks.speed.judge import METRIC
from benchmarks.speed.training import LOSSES
from benchmarks.speed.training import SETTINGS as FAST
from kuberec.training.families import family_names

FAMILY = "matrix_factorization"
SETTINGS = {
    "embedding_size": EMBEDDING_SIZE,
    "batch_size": 16384,
    "learning_rate": 0.02,
    "regularization": 0,
    "dropout": 0,
}
PEERS = ("implicit_bpr", "lightfm_bpr", "lightfm_warp", "rectools_dssm")
BESIDE = "implicit_als"
CLOSED_FORMS = ("ease", "als")


def main() -> None:
    """Measure and print."""
    parser = new_parser(__doc__)
    add_data(parser, required=True)
    parser.add_argument("--peers", default=",".join(PEERS), help="names, separated by commas (%(default)s)")
    arguments = parser.parse_args()
    positives, description = movielens_or_synthetic(arguments.data)
    with stored(positives) as path:
        peers = {name: peer("curve", path, arguments.threads, name) for name in arguments.peers.split(",")}
        reach = max(found["best"][METRIC] for found in peers.values())
        trained = ours("curve", path, arguments.threads, FAMILY, {**SETTINGS, **arguments.set}, "--reach", str(reach))
        beside = {BESIDE: peer("curve", path, arguments.threads, BESIDE)["best"]}
        for loss, like in LOSSES.items():
            fast = {"embedding_size": EMBEDDING_SIZE, **FAST, **like}
            curve = ours("curve", path, arguments.threads, FAMILY, fast, "--reach", str(reach))["curve"]
            beside[f"{FAMILY} {loss}, as in the speed of training"] = max(curve, key=lambda point: point[METRIC])
        for name in sorted(set(CLOSED_FORMS) & set(family_names())):
            beside[f"Kuberec {name}"] = ours("closed-form", path, arguments.threads, name, {})["curve"][0]
    compared = {name: _compared(found["best"], trained["curve"]) for name, found in peers.items()}
    settings = {FAMILY: trained["settings"], **{name: found["settings"] for name, found in peers.items()}}
    result = {"data": description, "threads": arguments.threads, "settings": settings, "compared": compared}
    result |= {"beside": beside, "curve": trained["curve"], "curves": {name: peers[name]["curve"] for name in peers}}
    parts = [
        f"{description}; {arguments.threads} threads; each user's last film is sought among all others.",
        table(
            ["peer", "its best NDCG@10", "seconds", f"seconds of {FAMILY}", "ratio"],
            [[name, *_cells(each)] for name, each in compared.items()],
        ),
        "Beside them, each at its best:",
        table(["", "NDCG@10", "seconds"], [[name, f"{p[METRIC]:.4f}", p["seconds"]] for name, p in beside.items()]),
        *(f"- {name}: {', '.join(f'{key} {value}' for key, value in each.items())}" for name, each in settings.items()),
    ]
    finish(arguments.page, "speed-quality", "Time to quality", parts, result)


def _compared(best: dict[str, float], curve: list[dict[str, float]]) -> dict[str, Any]:
    """A peer's best point and the first point of ours that is as good; None where there is none."""
    reached = next((point for point in curve if point[METRIC] >= best[METRIC]), None)
    seconds = reached and reached["seconds"]
    return {
        METRIC: best[METRIC],
        "peer_seconds": best["seconds"],
        "our_seconds": seconds,
        "ratio": seconds and round(best["seconds"] / seconds, 2),
    }


def _cells(each: dict[str, Any]) -> list[str]:
    if each["our_seconds"] is None:
        return [f"{each[METRIC]:.4f}", f"{each['peer_seconds']}", "not reached", ""]
    return [f"{each[METRIC]:.4f}", f"{each['peer_seconds']}", f"{each['our_seconds']}", f"{each['ratio']:.2f}"]


if __name__ == "__main__":
    main()
