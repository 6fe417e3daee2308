"""A small dataset with a taste in it, written as CSV: quick to train on, and possible to learn from."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

GROUPS = ("westerns", "musicals", "thrillers")
SPEC = """\
name: synthetic
interactions:
  path: events.csv
  columns: {timestamp: time}
items:
  path: items.csv
  title: title
  features: {title: text, groups: multi_categorical}
"""


def write_dataset(folder: Path, *, users: int = 400, items: int = 120, events: int = 20, seed: int = 0) -> Path:
    """Users of a group take items of their group nine times out of ten; returns the path of the `dataset.yaml`."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for user in range(users):
        own = np.arange(user % len(GROUPS), items, len(GROUPS))
        others = np.setdiff1d(np.arange(items), own)
        liked = rng.choice(own, size=events * 9 // 10, replace=False)
        strange = rng.choice(others, size=events - len(liked), replace=False)
        taken = rng.permutation(np.concatenate([liked, strange]))
        times = 1_600_000_000 + rng.integers(0, 10_000_000, size=len(taken))
        rows += [(str(user), f"i{item}", int(time)) for item, time in zip(taken, times, strict=True)]
    _write(folder / "events.csv", ("user_id", "item_id", "time"), rows)
    named = [(f"i{item}", f"Item {item}", GROUPS[item % len(GROUPS)]) for item in range(items)]
    _write(folder / "items.csv", ("item_id", "title", "groups"), named)
    path = folder / "dataset.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def _write(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
