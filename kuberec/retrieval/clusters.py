"""Vectors divided into clusters of bounded size, by k-means with a seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAMPLE = 64
"""Vectors a cluster that the centroids are learned on, at most."""
ROUNDS = 10
SETTLING = 3
"""Rounds at the end in which no cluster is split any more."""
NEAREST = 8
"""Clusters that a vector asks for room, the nearest first, before it takes what is left."""
SPARE = 1.5
"""Room in all clusters over the number of vectors."""
ROWS = 1 << 14
"""Vectors whose distances to all centroids are held at once."""


@dataclass(frozen=True)
class Clusters:
    """Centroids and what lies around them.

    Attributes:
        centroids: `[C, dimension]` float32.
        members: `[C, L]` int32, rows of the vectors; -1 where a cluster is not full.
    """

    centroids: Array
    members: Array


def cluster(vectors: Array, count: int, seed: int) -> Clusters:
    """Divide vectors among clusters; a full cluster keeps its nearest and sends the others to the next centroid.

    Args:
        vectors: `[n, dimension]` float32; each is compared with every centroid once, and 64 a cluster ten times more.
        count: Number of clusters C, at most n.
        seed: Of the sample and the first centroids.
    """
    rng = np.random.default_rng(seed)
    sample = vectors[rng.choice(len(vectors), min(len(vectors), SAMPLE * count), replace=False)]
    centroids = sample[:count].copy()
    for step in range(ROUNDS):
        nearest = _nearest(sample, centroids, 1)[0][:, 0]
        counts = np.bincount(nearest, minlength=count)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, sample)
        held = counts > 0
        centroids[held] = sums[held] / counts[held, None]
        if step < ROUNDS - SETTLING:
            _split(centroids, counts, nearest, sample)
    return Clusters(centroids, _members(vectors, centroids))


def _split(centroids: Array, counts: Array, nearest: Array, sample: Array) -> None:
    """Move the centroids of the smallest clusters into those that will overflow, whose members would scatter."""
    overfull = np.flatnonzero(counts > SPARE * len(sample) / len(centroids))
    smallest = np.argsort(counts, kind="stable")[: len(overfull)]
    clusters, member = np.unique(nearest, return_index=True)  # the sample has no order, so its first is anyone
    centroids[smallest] = sample[member[np.searchsorted(clusters, overfull)]]


def _members(vectors: Array, centroids: Array) -> Array:
    count, room = len(centroids), int(np.ceil(SPARE * len(vectors) / len(centroids)))
    members = np.full((count, room), -1, dtype=np.int32)
    used = np.zeros(count, dtype=np.int64)
    wishes, distances = _nearest(vectors, centroids, min(NEAREST, count))
    waiting = np.arange(len(vectors), dtype=np.int32)
    for wish, distance in zip(wishes.T, distances.T, strict=True):
        order = waiting[np.lexsort((distance[waiting], wish[waiting]))]
        asked = wish[order]
        place = used[asked] + np.arange(len(order)) - np.searchsorted(asked, asked)
        fits = place < room
        members[asked[fits], place[fits]] = order[fits]
        used += np.bincount(asked[fits], minlength=count)
        waiting = order[~fits]
    free = np.argwhere(members < 0)[: len(waiting)]
    members[free[:, 0], free[:, 1]] = waiting
    return members


def _nearest(vectors: Array, centroids: Array, count: int) -> tuple[Array, Array]:
    """The nearest centroids of each vector `[n, count]`, the nearest first, and their squared distances less its own
    square.
    """
    squares = (centroids**2).sum(axis=1)
    found, lengths = [], []
    for start in range(0, len(vectors), ROWS):
        distances = squares - 2 * vectors[start : start + ROWS] @ centroids.T
        part = np.argpartition(distances, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(distances, part, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        found.append(np.take_along_axis(part, order, axis=1))
        lengths.append(np.take_along_axis(near, order, axis=1))
    return np.concatenate(found), np.concatenate(lengths)
