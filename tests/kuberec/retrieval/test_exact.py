from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kuberec.recommender import top_k as reference
from kuberec.retrieval.exact import EXCLUDED, in_columns, only, top_k, without

Array = npt.NDArray[Any]
BLOCK = 4


@cache
def graph_of(width: int, n: int) -> Any:
    """A graph that knows the number of items, and not that of users."""
    lists = tf.TensorSpec([None, None], tf.int32)
    asked = [tf.TensorSpec([None, width]), tf.TensorSpec([], tf.int32), lists]
    return tf.function(partial(top_k, n=n, block=BLOCK), input_signature=asked)


def best(scores: Array, k: int, excluded: Array, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    width = scores.shape[1]
    values, columns = graph_of(width, n)(tf.constant(scores), tf.constant(min(k, width)), tf.constant(excluded))
    return values, columns


@dataclass(frozen=True)
class Asked:
    scores: Array
    excluded: Array
    n: int
    k: int

    def check(self) -> None:
        """Compare with a full sort of the scores; which column stands where nothing is left does not matter."""
        left = self.scores.copy()
        left[:, 0] = left[:, self.n :] = EXCLUDED
        np.put_along_axis(left, self.excluded, EXCLUDED, axis=1)
        columns, values = reference(left, min(self.k, left.shape[1]))
        found_values, found_columns = best(self.scores, self.k, self.excluded, self.n)
        np.testing.assert_array_equal(found_values, values)
        kept = np.isfinite(values)
        np.testing.assert_array_equal(found_columns.numpy()[kept], columns[kept])


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Scores of few values, so that most tie, some of them minus infinity, some excluded."""
    rows, blocks = draw(st.integers(0, 3)), draw(st.integers(1, 8))
    width = blocks * BLOCK
    value = st.sampled_from([EXCLUDED, -1.0, 0.0, 1.0, 2.0])
    flat = draw(st.lists(value, min_size=rows * width, max_size=rows * width))
    each = draw(st.integers(0, 5))
    excluded = draw(st.lists(st.integers(0, width - 1), min_size=rows * each, max_size=rows * each))
    scores = np.array(flat, dtype=np.float32).reshape(rows, width)
    n = draw(st.integers(max(0, width - 2 * BLOCK) + 1, width))
    return Asked(scores, np.array(excluded, dtype=np.int32).reshape(rows, each), n, draw(st.integers(0, 40)))


@settings(deadline=None, max_examples=500)
@given(questions())
def test_it_is_the_full_top_k_ties_included(asked: Asked) -> None:
    asked.check()


def test_a_tie_across_blocks_goes_to_the_first_column() -> None:
    # The third block has the greatest score, the second one the tie.
    scores = np.array([[0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0, 0]], np.float32)
    assert best(scores, 2, np.zeros([1, 0], np.int32), 12)[1].numpy().tolist() == [[8, 5]]


@pytest.mark.parametrize("each", [0, 1, 30, 600])
def test_many_scores_of_which_the_best_are_excluded(each: int) -> None:
    scores = np.random.default_rng(1).integers(0, 300, (5, BLOCK * 250)).astype(np.float32)
    Asked(scores, reference(scores, each)[0].astype(np.int32), BLOCK * 250 - 2, 20).check()


def test_named_columns_are_excluded() -> None:
    scores = without(tf.constant([[1.0, 2, 3], [1, 2, 3]]), tf.constant([[2, 2], [0, 1]]))
    assert scores.numpy().tolist() == [[1, 2, EXCLUDED], [EXCLUDED, EXCLUDED, 3]]


def test_vectors_become_columns_of_a_width_in_pairs_of_blocks() -> None:
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    columns = in_columns(vectors, BLOCK)
    assert columns.shape == (2, 8)
    np.testing.assert_array_equal(columns[:, :5], vectors.T)
    assert not columns[:, 5:].any()
    assert in_columns(vectors[:4], BLOCK).shape == (2, 8)
    assert in_columns(np.zeros([9, 2]), BLOCK).shape == (2, 16)


def test_all_but_the_named_columns_are_excluded() -> None:
    scores = only(tf.constant([[1.0, 2, 3], [1, 2, 3]]), tf.constant([[1, 1], [0, 2]]))
    assert scores.numpy().tolist() == [[EXCLUDED, 2, EXCLUDED], [1, EXCLUDED, 3]]
