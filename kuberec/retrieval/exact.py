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
        block: The width becomes a multiple of two, so that no score has to be copied to be divided into blocks, and
            threads can share the product evenly.

    Returns:
        `[dimension, width]`; columns n and above are zeros, which the caller excludes.
    """
    return np.ascontiguousarray(np.pad(vectors, ((0, -len(vectors) % (2 * block)), (0, 0))).T)


def top_k(
    scores: tf.Tensor, k: tf.Tensor, excluded: tf.Tensor, n: int, block: int = BLOCK
) -> tuple[tf.Tensor, tf.Tensor]:
    """What `tf.math.top_k` gives without the excluded: the greatest scores of each row, of equal ones the first.

    Scores are read once, for the greatest of each block. The k best lie in the k + s blocks whose greatest scores are
    greatest, where s blocks hold what is left out: were one of the best in another block, each of k blocks whose
    greatest is not left out would hold a greater score, or an equal one that stands before it. So nothing is changed
    among all scores, which would copy them, but among those of these blocks alone.

    Args:
        scores: `[B, N]`, not NaN; N is known when the graph is made, and a multiple of the block, see `in_columns`.
        k: `[]` int32, from 0 to N.
        excluded: Columns `[B, E]` int32 that are left out, in any order, also repeatedly. So are column 0 and those
            from n on, which are no items.
        n: Number of vectors that the scores are of, 0 included; more than N less two blocks.
        block: Scores in a block.

    Returns:
        The scores `[B, k]` and their columns `[B, k]` int32; minus infinity and any column where nothing is left.
    """
    rows, blocks = tf.shape(scores)[0], scores.shape[1] // block
    scores = tf.reshape(scores, [rows, blocks, block])
    # Column 0 lies in the first block, those from n on in the last two.
    spoiled = tf.shape(excluded)[1] + 3
    searched = tf.minimum(k + spoiled, blocks)
    best = tf.math.top_k(tf.reduce_max(scores, axis=2), searched).indices
    best = -tf.math.top_k(-best, searched).values  # equal scores must meet in the order of their columns
    columns = best[:, :, None] * block + tf.range(block)
    candidates = tf.where((columns > 0) & (columns < n), tf.gather(scores, best, batch_dims=1), EXCLUDED)
    candidates = tf.reshape(candidates, [rows, searched * block])
    # One more column takes what is excluded and lies in none of the blocks.
    candidates = tf.pad(candidates, [[0, 0], [0, 1]], constant_values=EXCLUDED)
    values, place = tf.math.top_k(without(candidates, _places(best, excluded, block)), k)
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


def _places(best: tf.Tensor, columns: tf.Tensor, block: int) -> tf.Tensor:
    """Where columns `[B, E]` stand among the blocks `[B, M]`, which rise: `[B, E]`, M · block where they do not."""
    count = tf.shape(best)[1]
    # `tf.searchsorted` is this with a reshape that rows of no columns do not survive.
    place = tf.raw_ops.LowerBound(sorted_inputs=best, values=columns // block)
    found = tf.gather(best, tf.minimum(place, count - 1), batch_dims=1) == columns // block
    return tf.where(found, place * block + columns % block, count * block)
