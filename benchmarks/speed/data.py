"""Positives that Kuberec and its peers train on alike; runs in both environments and needs NumPy and SciPy alone."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]

USERS, ITEMS, POSITIVES = 6_040, 3_706, 1_000_209
"""Shape of MovieLens-1M."""
LEAST = 20
"""Positives of a user, at least; as in MovieLens."""
FOLDER, SEQUENCES = "ml-1m", "sequences.txt.gz"


@dataclass(frozen=True)
class Positives:
    """Who took what, ordered by user, then time.

    Attributes:
        user: int32 from 0; item: int32 from 0, of the same length.
        n_users: Number of users; n_items: number of items.
    """

    user: Array
    item: Array
    n_users: int
    n_items: int

    def __len__(self) -> int:
        """Number of positives."""
        return len(self.user)

    def matrix(self) -> sparse.csr_matrix:
        """`[n_users, n_items]` float32, 1 where a user took an item."""
        ones = np.ones(len(self), dtype=np.float32)
        return sparse.csr_matrix((ones, (self.user, self.item)), shape=(self.n_users, self.n_items))

    def save(self, path: Path) -> None:
        """Write the positives to an npz file."""
        np.savez(path, **self.__dict__)

    @staticmethod
    def load(path: Path) -> "Positives":
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return Positives(stored["user"], stored["item"], int(stored["n_users"]), int(stored["n_items"]))


def movielens_1m(folder: Path) -> Positives:
    """The positives of `ml-1m/sequences.txt.gz` in a folder: one line a user, `user item item …` in time order.

    Users are numbered by their lines, items by their ids in rising order.
    """
    with gzip.open(folder / FOLDER / SEQUENCES, "rt", encoding="utf-8") as lines:
        sequences = [np.array(line.split()[1:], dtype=np.int64) for line in lines]
    ids, item = np.unique(np.concatenate(sequences), return_inverse=True)
    user = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    return Positives(user.astype(np.int32), item.astype(np.int32), len(sequences), len(ids))


def synthetic(users: int = USERS, items: int = ITEMS, positives: int = POSITIVES, seed: int = 0) -> Positives:
    """Positives without repeats: the users' numbers are log-normal, the items' popularity falls as 1 / rank (Zipf).

    Takes memory for 1,000 users times the items.
    """
    rng = np.random.default_rng(seed)
    weights = np.log(1 / np.arange(1, items + 1))
    spread = np.minimum(rng.lognormal(sigma=1.0, size=users), 10)
    counts = LEAST + np.floor(spread / spread.sum() * (positives - LEAST * users)).astype(np.int64)
    counts[: positives - counts.sum()] += 1
    taken = []
    for start in range(0, users, 1_000):
        block = counts[start : start + 1_000]
        order = np.argsort(-(weights + rng.gumbel(size=(len(block), items))), axis=1)
        taken += [row[:count] for row, count in zip(order, block, strict=True)]
    user = np.repeat(np.arange(users, dtype=np.int32), counts)
    return Positives(user, np.concatenate(taken).astype(np.int32), users, items)


def wide(size: int, each: int = 2, seed: int = 0) -> Positives:
    """As many users as items, `each` positives a user; every item is taken once, further ones by skewed popularity."""
    rng = np.random.default_rng(seed)
    columns = [rng.permutation(size), *((size * rng.random(size) ** 3).astype(np.int64) for _ in range(each - 1))]
    user = np.repeat(np.arange(size, dtype=np.int32), each)
    return Positives(user, np.stack(columns, axis=1).ravel().astype(np.int32), size, size)


def leave_one_out(positives: Positives) -> tuple[Positives, Array]:
    """Everything but each user's last positive, and that one, `[n_users]`."""
    last = np.append(positives.user[1:] != positives.user[:-1], True)
    rest = Positives(positives.user[~last], positives.item[~last], positives.n_users, positives.n_items)
    return rest, positives.item[last]
