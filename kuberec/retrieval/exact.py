"""The exact k best of a row of scores in two stages: first of its blocks, then of the items in the best blocks."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

BLOCK = 128
"""Scores of which the greatest stands for all at first."""
EXCLUDED = -np.inf
"""The score of what must not be recommended."""

Array = npt.NDArray[Any]


def in_columns(vectors: Array, block: int = BLOCK) -> Array:
    """Vectors as the columns of a matrix: a product with it reads memory in order and needs no transposition.

    Args:
        vectors: `[n, dimension]`.
        block: The width becomes a multiple of it, so that no score has to be copied to be divided into blocks.

    Returns:
        `[dimension, width]`; columns n and above are zeros, which the caller excludes.
    """
    return np.ascontiguousarray(np.pad(vectors, ((0, -len(vectors) % block), (0, 0))).T)


def top_k(scores: tf.Tensor, k: tf.Tensor, block: int = BLOCK) -> tuple[tf.Tensor, tf.Tensor]:
    """What `tf.math.top_k` returns, ties included: the greatest scores of each row, of equal ones the first.

    At most k blocks hold one of the k best, those with the greatest maxima: were an item of another block among the
    best, each of these k blocks would hold a greater score, or an equal one that stands before it.

    Args:
        scores: `[B, N]`, not NaN; read once where N is a multiple of the block, copied where it is not.
        k: `[]` int32, at least 0; cut to N.
        block: Scores in a block.

    Returns:
        The scores `[B, k]` and their columns `[B, k]` int32.
    """
    n = tf.shape(scores)[1]
    k = tf.minimum(k, n)
    # Padding stands last, so that it loses every tie, also at minus infinity.
    scores = scores if scores.shape[1] and scores.shape[1] % block == 0 else _padded(scores, block)
    blocks = tf.reshape(scores, [tf.shape(scores)[0], tf.shape(scores)[1] // block, block])
    _, best = tf.math.top_k(tf.reduce_max(blocks, axis=2), tf.minimum(k, tf.shape(blocks)[1]))
    best = tf.sort(best, axis=1)  # equal scores must meet in the order of their columns
    candidates = tf.reshape(tf.gather(blocks, best, batch_dims=1), [tf.shape(scores)[0], tf.shape(best)[1] * block])
    values, place = tf.math.top_k(candidates, k)
    return values, tf.gather(best, place // block, batch_dims=1) * block + place % block


def without(scores: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """The scores `[B, N]` with the named columns `[B, n]` of each row excluded."""
    cells = _cells(columns)
    return tf.tensor_scatter_nd_update(scores, cells, tf.fill([tf.shape(cells)[0]], EXCLUDED))


def only(scores: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """The scores `[B, N]` with all but the named columns `[B, n]` of each row excluded."""
    kept = tf.reshape(tf.gather(scores, columns, batch_dims=1), [-1])
    return tf.tensor_scatter_nd_update(tf.fill(tf.shape(scores), EXCLUDED), _cells(columns), kept)


def _cells(columns: tf.Tensor) -> tf.Tensor:
    """Row and column `[B · n, 2]` of columns `[B, n]`."""
    rows = tf.broadcast_to(tf.range(tf.shape(columns)[0])[:, None], tf.shape(columns))
    return tf.reshape(tf.stack([rows, columns], axis=-1), [-1, 2])


def _padded(scores: tf.Tensor, block: int) -> tf.Tensor:
    missing = -tf.shape(scores)[1] % block
    return tf.pad(scores, [[0, 0], [0, missing]], constant_values=EXCLUDED)
