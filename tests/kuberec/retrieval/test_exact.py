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


@tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)])
def best(scores: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return top_k(scores, k, BLOCK)


@st.composite
def score_matrices(draw: st.DrawFn) -> Array:
    """Scores of few values, so that most tie, some of them excluded."""
    rows, width = draw(st.integers(0, 3)), draw(st.integers(1, 30))
    value = st.sampled_from([EXCLUDED, -1.0, 0.0, 1.0, 2.0])
    flat = draw(st.lists(value, min_size=rows * width, max_size=rows * width))
    return np.array(flat, dtype=np.float32).reshape(rows, width)


@settings(deadline=None, max_examples=300)
@given(score_matrices(), st.integers(0, 40))
def test_it_is_the_full_top_k_ties_included(scores: Array, k: int) -> None:
    columns, values = reference(scores, k)
    found_values, found_columns = best(scores, k)
    np.testing.assert_array_equal(found_values, values)
    np.testing.assert_array_equal(found_columns, columns)


def test_a_tie_across_blocks_goes_to_the_first_column() -> None:
    # The second block has the greater maximum, the first one the tie.
    scores = tf.constant([[1.0, 0, 0, 0, 2, 1, 0, 0]])
    assert top_k(scores, 2, BLOCK)[1].numpy().tolist() == [[4, 0]]


@pytest.mark.parametrize("width", [BLOCK * 250, BLOCK * 250 + 3])
def test_many_scores_in_rows_of_known_and_unknown_width(width: int) -> None:
    scores = np.random.default_rng(1).integers(0, 300, (5, width)).astype(np.float32)
    for found in (top_k(tf.constant(scores), 20, BLOCK), best(scores, 20)):
        np.testing.assert_array_equal(found[1], reference(scores, 20)[0])


def test_excluded_columns_are_the_last() -> None:
    scores = without(tf.constant([[1.0, 2, 3], [1, 2, 3]]), tf.constant([[2, 2], [0, 1]]))
    values, columns = top_k(scores, 2, BLOCK)
    assert columns.numpy().tolist() == [[1, 0], [2, 0]]
    assert values.numpy().tolist() == [[2, 1], [3, EXCLUDED]]


def test_vectors_become_columns_of_a_width_in_blocks() -> None:
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    columns = in_columns(vectors, BLOCK)
    assert columns.shape == (2, 8)
    np.testing.assert_array_equal(columns[:, :5], vectors.T)
    assert not columns[:, 5:].any()
    assert in_columns(vectors[:4], BLOCK).shape == (2, 4)


def test_all_but_the_named_columns_are_excluded() -> None:
    scores = only(tf.constant([[1.0, 2, 3], [1, 2, 3]]), tf.constant([[1, 1], [0, 2]]))
    assert scores.numpy().tolist() == [[EXCLUDED, 2, EXCLUDED], [1, EXCLUDED, 3]]
