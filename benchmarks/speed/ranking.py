"""Seconds and memory of ranking whole catalogues: every user of MovieLens-1M, and some users over a million items.

    .venv/bin/python benchmarks/speed/ranking.py [--data DIR]

A model is trained for one pass; then the ten best items of each user are found among all items, without those the user
took. The last line is one JSON object.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.command import (
    EMBEDDING_SIZE,
    Settings,
    add_data,
    finish,
    movielens_or_synthetic,
    new_parser,
    ours,
    stored,
    table,
)
from benchmarks.speed.data import wide

FAMILY = "matrix_factorization"
MOST_SECONDS = 2.0
LARGE = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = new_parser(__doc__)
    add_data(parser)
    parser.add_argument("--items", type=int, default=LARGE, help="size of the large catalogue (%(default)s)")
    parser.add_argument("--users", type=int, default=2048, help="users to rank over it (%(default)s)")
    arguments = parser.parse_args()
    positives, description = movielens_or_synthetic(arguments.data)
    settings = {"embedding_size": EMBEDDING_SIZE, **arguments.set}
    with stored(positives) as path:
        small = _measured(path, arguments.threads, settings, positives.n_users, positives.n_items)
    with stored(wide(arguments.items)) as path:
        large = _measured(path, arguments.threads, settings, arguments.users, arguments.items)
    result = {"data": description, "threads": arguments.threads, "movielens": small, "large": large}
    result["within_seconds"] = small["first_seconds"] <= MOST_SECONDS
    names = ("users", "items", "first_seconds", "again_seconds", "score_matrix_gib", "trained_gib", "peak_gib")
    parts = [
        f"{description}; `{FAMILY}`, vectors of {EMBEDDING_SIZE}, {arguments.threads} threads. At first the vectors of "
        "users and items are computed as well. Memory is that of the whole process, with the state of the training.",
        table(
            ["users", "items", "seconds at first", "seconds again", "all scores (GiB)", "memory before", "peak memory"],
            [[f"{entry[name]:,}" for name in names] for entry in (small, large)],
        ),
    ]
    finish(arguments.page, "speed-ranking", "Full ranking", parts, result)


def _measured(path: Path, threads: int, settings: Settings, users: int, items: int) -> dict[str, Any]:
    found = ours("rank", path, threads, FAMILY, settings, "--users", str(users))
    names = ("first_seconds", "again_seconds", "trained_gib", "peak_gib")
    sizes = {"users": users, "items": items, "score_matrix_gib": round(users * items * 4 / 2**30, 2)}
    return {**sizes, **{name: round(found[name], 3) for name in names}}


if __name__ == "__main__":
    main()
