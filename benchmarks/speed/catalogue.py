"""Cost of a training step as the catalogue grows: 100,000 users and items beside 10 million of each.

    .venv/bin/python benchmarks/speed/catalogue.py [--embedding-size 64]

Every user has two positives and every item at least one, the others by skewed popularity. What is timed are windows of
steps of the first pass, after the graph is traced. Weights and optimizer state take 12 bytes an entry: 10 million users
and items with vectors of 64 take 14.5 GiB. The last line is one JSON object.
"""

import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.command import finish, new_parser, ours, stored, table
from benchmarks.speed.data import wide

FAMILY = "matrix_factorization"
EACH = 2
BATCH_SIZE = 4096  # the default grows with the positives
SIZES = (100_000, 10_000_000)
MOST_RATIO = 1.2


def main() -> None:
    """Measure and print."""
    parser = new_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="users, and as many items (%(default)s)")
    parser.add_argument("--embedding-size", type=int, default=64, help="length of the vectors (64)")
    parser.add_argument("--rounds", type=int, default=2, help="turns; the median counts (2)")
    arguments = parser.parse_args()
    settings = {"embedding_size": arguments.embedding_size, "batch_size": BATCH_SIZE, "history_length": EACH}
    settings |= arguments.set
    found: dict[int, list[dict[str, Any]]] = {size: [] for size in arguments.sizes}
    for _ in range(arguments.rounds):
        for size, runs in found.items():
            with stored(wide(size, EACH)) as path:
                runs.append(ours("steps", path, arguments.threads, FAMILY, settings))
    entries = [_entry(size, runs) for size, runs in found.items()]
    small, large = entries
    ratio = round(large["step_milliseconds"] / small["step_milliseconds"], 3)
    used = found[arguments.sizes[0]][0]["settings"]
    result = {"threads": arguments.threads, "settings": used, "sizes": entries, "ratio": ratio}
    result["within_ratio"] = ratio <= MOST_RATIO
    columns = ("size", "positives", "step_milliseconds", "peak_gib")
    parts = [
        f"`{FAMILY}`, vectors of {arguments.embedding_size}, {used['batch_size']:,} positives a step, "
        f"{arguments.threads} threads, in turns; median of windows of steps.",
        table(
            ["users, and as many items", "positives", "milliseconds a step", "peak memory (GiB)"],
            [[f"{entry[name]:,}" for name in columns] for entry in entries],
        ),
        f"A step in the larger catalogue takes {ratio:.2f} times as long.",
    ]
    finish(arguments.page, "speed-catalogue", "A step's cost and the catalogue", parts, result)


def _entry(size: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "size": size,
        "positives": EACH * size,
        "step_milliseconds": round(1000 * median(value for run in runs for value in run["step_seconds"]), 3),
        "peak_gib": max(run["peak_gib"] for run in runs),
    }


if __name__ == "__main__":
    main()
