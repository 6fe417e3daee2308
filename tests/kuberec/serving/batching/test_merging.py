import numpy as np
import pytest

from kuberec.serving.batching.merging import Array, count_rows, merge, split
from kuberec.serving.status import StatusError

NARROW = {"x": np.array([[1, 2]], np.int32), "y": np.array([b"a"], dtype=object)}
WIDE = {"x": np.array([[3, 4, 5], [6, 7, 8]], np.int32), "y": np.array([b"b", b"c"], dtype=object)}


def test_rows_stand_in_the_order_of_the_requests() -> None:
    merged = merge([WIDE, WIDE], 0, pad_variable_length=False)
    assert merged["x"].tolist() == [[3, 4, 5], [6, 7, 8], [3, 4, 5], [6, 7, 8]]
    assert merged["y"].tolist() == [b"b", b"c", b"b", b"c"]


def test_a_lone_request_is_not_copied() -> None:
    assert merge([WIDE], 0, pad_variable_length=True)["x"] is WIDE["x"]


def test_rows_are_added_to_fill_a_batch() -> None:
    merged = merge([NARROW], 2, pad_variable_length=False)
    assert merged["x"].tolist() == [[1, 2]] * 3
    assert merged["y"].tolist() == [b"a"] * 3


def test_rows_to_add_come_from_a_request_that_has_some() -> None:
    merged = merge([{"x": np.zeros([0, 2])}, {"x": np.array([[1.0, 2.0]])}], 1, pad_variable_length=False)
    assert merged["x"].tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_arrays_are_filled_up_with_their_own_first_element() -> None:
    merged = merge([NARROW, WIDE], 1, pad_variable_length=True)
    assert merged["x"].tolist() == [[1, 2, 1], [3, 4, 5], [6, 7, 8], [1, 2, 1]]
    assert merged["x"].dtype == np.int32
    tall, flat = {"x": np.ones([1, 2, 1])}, {"x": np.full([1, 1, 2], 5.0)}
    assert merge([tall, flat], 0, pad_variable_length=True)["x"].tolist() == [
        [[1.0, 1.0], [1.0, 1.0]],
        [[5.0, 5.0], [5.0, 5.0]],
    ]


@pytest.mark.parametrize(
    ("other", "pad", "code", "words"),
    [
        (np.ones([1, 3]), False, "FAILED_PRECONDITION", "Tensors with name 'x' from different tasks have different"),
        (np.ones([1, 0]), True, "INVALID_ARGUMENT", "Got empty tensor in batch of non-empty tensors."),
        (np.ones([1]), True, "INTERNAL", "Tensor concat operation failed"),
    ],
)
def test_shapes_that_cannot_be_made_equal(other: Array, pad: bool, code: str, words: str) -> None:
    with pytest.raises(StatusError, match=words) as caught:
        merge([{"x": np.ones([1, 2])}, {"x": other}], 0, pad_variable_length=pad)
    assert caught.value.code.name == code


def test_each_request_gets_its_own_rows_back() -> None:
    outputs = {"s": np.arange(6), "t": np.arange(12).reshape(6, 2)}
    first, empty, last = split(outputs, [1, 0, 3], padding=2)
    assert (first["s"].tolist(), empty["s"].tolist(), last["s"].tolist()) == ([0], [], [1, 2, 3])
    assert last["t"].tolist() == [[2, 3], [4, 5], [6, 7]]


def test_a_run_without_inputs_cannot_be_batched() -> None:
    with pytest.raises(StatusError, match="Batching Run\\(\\) must have at least one input tensor"):
        count_rows({})
