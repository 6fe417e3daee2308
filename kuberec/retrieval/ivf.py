"""An inverted file in stock TensorFlow operations: only the clusters whose centroids score best are searched."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kuberec.retrieval.clusters import Clusters
from kuberec.retrieval.exact import EXCLUDED, without

Array = npt.NDArray[Any]
MOST_ROWS = 32
"""Queries to ask at once: the clusters of each are copied, which at more of them costs more than all scores."""


class InvertedFile(tf.Module):
    """The items of each cluster side by side, so that a cluster is scored by one product.

    Args:
        vectors: `[n + 1, dimension]` float32; row 0 is no item.
        clusters: Of rows 1 to n, numbered from 0.
        nprobe: Clusters that a query searches.
    """

    def __init__(self, vectors: Array, clusters: Clusters, nprobe: int) -> None:
        super().__init__()
        items = clusters.members + 1  # an empty place is row 0
        held = items > 0
        self.nprobe = nprobe
        self.room = items.shape[1]
        self.centroids = _frozen(np.ascontiguousarray(clusters.centroids.T))
        self.slabs = _frozen(np.ascontiguousarray((vectors[items] * held[:, :, None]).transpose(0, 2, 1)))
        self.items = _frozen(items)
        self.sizes = _frozen(held.sum(axis=1).astype(np.int32))
        places = np.full(len(vectors), items.size, dtype=np.int32)  # row 0 is in no cluster
        places[items[held]] = np.flatnonzero(held)
        self.places = _frozen(places)

    def probes(self, queries: tf.Tensor) -> tf.Tensor:
        """The clusters `[B, nprobe]` to search for queries `[B, dimension]`."""
        return tf.math.top_k(tf.matmul(queries, self.centroids), self.nprobe).indices

    def enough(self, probes: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
        """`[]` bool: whether the clusters hold k items for each query even if all the excluded `[B, E]` lie in them."""
        held = tf.reduce_sum(tf.gather(self.sizes, probes), axis=1)
        return tf.reduce_all(held >= k + tf.shape(excluded)[1])

    def top_k(self, queries: tf.Tensor, probes: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor) -> tuple[Any, Any]:
        """The k best items of the clusters, but for the excluded ones.

        Args:
            queries: `[B, dimension]`; B · nprobe · room vectors are copied.
            probes: What `probes` says of them.
            k: `[]` int32, no more than the clusters hold, see `enough`.
            excluded: Items `[B, E]`, padded with 0.

        Returns:
            Their scores `[B, k]` and the items `[B, k]`.
        """
        rows, width = tf.shape(queries)[0], self.nprobe * self.room
        scores = tf.matmul(queries[:, None, None, :], tf.gather(self.slabs, probes))
        items = tf.reshape(tf.gather(self.items, probes), [rows, width])
        scores = tf.where(items > 0, tf.reshape(scores, [rows, width]), EXCLUDED)
        # One more column takes what is excluded and lies in none of the clusters.
        scores = tf.concat([scores, tf.fill([rows, 1], EXCLUDED)], axis=1)
        best, column = tf.math.top_k(without(scores, self._columns(probes, excluded)), k)
        return best, tf.gather(items, column, batch_dims=1)

    def _columns(self, probes: tf.Tensor, excluded: tf.Tensor) -> tf.Tensor:
        """Where items `[B, E]` stand among the items of the probes: `[B, E]`, nprobe · room where they do not."""
        places = tf.gather(self.places, excluded)
        probed = places[:, :, None] // self.room == probes[:, None, :]
        probe = tf.argmax(tf.cast(probed, tf.int32), axis=2, output_type=tf.int32)
        nowhere = self.nprobe * self.room
        return tf.where(tf.reduce_any(probed, axis=2), probe * self.room + places % self.room, nowhere)


def _frozen(values: Array) -> tf.Variable:
    return tf.Variable(values, trainable=False)
