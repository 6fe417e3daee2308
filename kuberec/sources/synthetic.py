"""A made-up dataset to try things on: it downloads nothing, belongs to nobody, and is the same everywhere.

A small cinema: viewers with a taste in genres rate films over a year. Films differ in quality and fame, some open
during the year, and tastes are strongest on what is on now; so there is something to learn for every kind of model,
and for the baselines as well. A few lines are broken, as they are in every real export.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuberec.artifacts import write_text
from kuberec.dataset import DATASET_FILE

USERS, ITEMS, EVENTS = 600, 300, 20_000
DAYS = 365
START = 1_700_000_000
"""The first second of the year, unix time."""
GENRES = ("Adventure", "Animation", "Comedy", "Drama", "Mystery", "Western")
AGES = ("under 25", "25 to 40", "over 40")
SPECIFICATION = """\
name: synthetic
interactions:
  path: ratings.csv
  columns: {user_id: viewer, item_id: film, value: stars, timestamp: time}
  value_range: [1, 5]
users:
  path: viewers.csv
  columns: {user_id: viewer}
  features: {age: categorical}
items:
  path: films.csv
  columns: {item_id: film}
  title: title
  features: {title: text, genre: categorical, minutes: numeric}
positive: {min_value: 4}
"""
BROKEN = ("u1,f1,five stars,1700000000", "u2,,4,1700000100", "u3,f3,9,1700000200", "u4,f4,3")
"""Lines that cannot be read or break a rule: a value in words, no film, too many stars, no time."""

Array = npt.NDArray[np.float64]


def write_synthetic(folder: Path | str, *, seed: int = 0) -> Path:
    """Write the dataset: `dataset.yaml`, `ratings.csv`, `viewers.csv`, `films.csv`; about 0.5 MB.

    Files that hold the same already are left as they are, so that what was made from them stays valid.

    Args:
        folder: Where to write.
        seed: Another seed makes another cinema.

    Returns:
        The folder.
    """
    rng = np.random.default_rng(seed)
    genre, age = rng.integers(len(GENRES), size=ITEMS), rng.integers(len(AGES), size=USERS)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / DATASET_FILE, SPECIFICATION)
    _write(folder / "viewers.csv", _csv("viewer,age", [f"u{n},{AGES[code]}" for n, code in enumerate(age)]))
    _write(folder / "films.csv", _csv("film,title,genre,minutes", _films(genre, rng)))
    _write(folder / "ratings.csv", _csv("viewer,film,stars,time", [*_ratings(genre, age, rng), *BROKEN]))
    return folder


def _films(genre: npt.NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    minutes = rng.integers(75, 160, size=ITEMS)
    return [f"f{n},{GENRES[genre[n]]} No. {n},{GENRES[genre[n]]},{minutes[n]}" for n in range(ITEMS)]


def _ratings(genre: npt.NDArray[np.int64], age: npt.NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Lines in the order of time."""
    quality = rng.normal(size=ITEMS)
    opened = np.where(rng.random(ITEMS) < 0.25, rng.uniform(0, DAYS, size=ITEMS), -rng.exponential(DAYS, size=ITEMS))
    by_age = rng.normal(size=(len(AGES), len(GENRES)))
    taste = 1.2 * rng.normal(size=(USERS, len(GENRES))) + 0.8 * by_age[age]
    liking = taste[:, genre] + quality
    activity = np.minimum(rng.lognormal(sigma=0.8, size=USERS), 4)  # nobody sees everything
    days = np.sort(rng.uniform(0, DAYS, size=EVENTS))
    users = rng.choice(USERS, size=EVENTS, p=activity / activity.sum())
    free = np.ones((USERS, ITEMS), dtype=bool)
    lines = []
    for day, user in zip(days, users, strict=True):
        item = _choice(liking[user], day - opened, free[user], rng)
        free[user, item] = False
        stars = int(np.clip(np.rint(3.4 + 0.6 * liking[user, item] + 0.5 * rng.normal()), 1, 5))
        lines.append(f"u{user},f{item},{stars},{START + int(day * 86_400)}")
    return lines


def _choice(liking: Array, shown_for: Array, free: npt.NDArray[np.bool_], rng: np.random.Generator) -> int:
    """A film that is out and was not seen: the better liked and the newer, the likelier (the Gumbel trick)."""
    score = 0.7 * liking - np.log1p(np.maximum(shown_for, 0) / 60) + rng.gumbel(size=len(liking))
    return int(np.argmax(np.where(free & (shown_for >= 0), score, -np.inf)))


def _csv(header: str, lines: list[str]) -> str:
    return "\n".join([header, *lines, ""])


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
