"""Whether a catalogue is searched exactly or by an index: measured, and written beside the model."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kuberec.recommender import top_k
from kuberec.retrieval.clusters import cluster
from kuberec.retrieval.ivf import MOST_ROWS, InvertedFile

Array = npt.NDArray[Any]

RETRIEVAL_FILE = "retrieval.json"
"""The choice, in the export's `assets.extra`."""
PROBES = (2, 4, 8, 16, 32, 64)
"""Numbers of clusters to search that are tried, until the recall suffices."""
K = 10
"""Length of the lists whose recall is measured."""
TOLERANCE = 1e-5
"""By how much a score may fall short of the last of the exact list, relative to its size, and count as found."""


@dataclass(frozen=True)
class IndexSettings:
    """When a catalogue gets an index.

    Attributes:
        least_items: Items from which on an index is tried; below, all scores are cheap enough.
        least_recall: Least recall@10 against the exact lists; an index under it is refused.
        queries: Users to measure it with.
        seed: Of the clusters and of the draw of users.
    """

    least_items: int = 300_000
    least_recall: float = 0.95
    queries: int = 256
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """What was chosen and why.

    Attributes:
        method: `ivf` for an index, `exact` for all scores.
        reason: In words.
        items: Size of the catalogue.
        least_recall: What was asked for.
        seed: Of the clusters.
        clusters: Number of clusters; 0 where no index was built.
        nprobe: Clusters searched; 0 where none is.
        recall: Recall@10 of the index at that number; 1 for exact lists.
        tried: Recall by number of clusters searched, in the order tried.
    """

    method: Literal["exact", "ivf"]
    reason: str
    items: int
    least_recall: float
    seed: int
    clusters: int = 0
    nprobe: int = 0
    recall: float = 1.0
    tried: dict[int, float] = field(default_factory=dict)


def choose(vectors: Array, queries: Array, settings: IndexSettings) -> tuple[Choice, InvertedFile | None]:
    """Build an index of a large catalogue, and keep it where it finds enough of the exact lists.

    Args:
        vectors: `[n + 1, dimension]` float32; row 0 is no item.
        queries: `[B, dimension]` float32, which the index is not built from.
        settings: When to try and when to refuse.

    Returns:
        The choice, and the index where one was chosen.
    """
    items = len(vectors) - 1
    given: Any = {"items": items, "least_recall": settings.least_recall, "seed": settings.seed}
    if items < settings.least_items:
        return Choice("exact", f"fewer than {settings.least_items} items", **given), None
    if not len(queries):
        return Choice("exact", "no user to measure an index with", **given), None
    count = round(2 * np.sqrt(items))
    index = InvertedFile(vectors, cluster(vectors[1:], count, settings.seed), count)
    exact = _kth(vectors, queries, K)
    tried: dict[int, float] = {}
    for nprobe in sorted({min(probes, count) for probes in PROBES}):
        index.nprobe = nprobe
        tried[nprobe] = _recall(index, queries, exact)
        if tried[nprobe] >= settings.least_recall:
            reason = f"recall@{K} {tried[nprobe]:.4f} on {len(queries)} users"
            found = Choice("ivf", reason, **given, clusters=count, nprobe=nprobe, recall=tried[nprobe], tried=tried)
            return found, index
    best = max(tried.values())
    reason = f"the index was refused: recall@{K} {best:.4f} is below {settings.least_recall}"
    return Choice("exact", reason, **given, tried=tried), None


def found_share(scores: Array, kth: Array) -> float:
    """Recall of lists of scores `[B, k]`, given the last score of each exact list `[B]`; equal scores count alike."""
    last = kth[:, None]
    slack = np.where(np.isfinite(last), TOLERANCE * np.maximum(1.0, np.abs(last)), 0)
    return float((scores >= last - slack).mean())


def _kth(vectors: Array, queries: Array, k: int) -> Array:
    parts = (queries[n : n + MOST_ROWS] @ vectors[1:].T for n in range(0, len(queries), MOST_ROWS))
    return np.concatenate([top_k(scores, k)[1][:, -1] for scores in parts])


def _recall(index: InvertedFile, queries: Array, kth: Array) -> float:
    """Places that the clusters cannot fill count as missed."""
    parts = []
    for start in range(0, len(queries), MOST_ROWS):
        asked = tf.constant(queries[start : start + MOST_ROWS])
        nothing = tf.zeros([len(asked), 0], tf.int32)
        wanted = min(K, index.nprobe * index.room)
        scores, _ = index.top_k(asked, index.probes(asked), tf.constant(wanted), nothing)
        parts.append(np.pad(scores, ((0, 0), (0, K - wanted)), constant_values=-np.inf))
    return found_share(np.concatenate(parts), kth)
