"""What shares a batch, what comes out of it, and what is refused; models bring their own parameters."""

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import refusal

Floats = npt.NDArray[np.float32]
Rows = Sequence[Sequence[float]]


def ask(target: str, model: str, rows: Rows, output: str = "sums") -> Floats:
    """The table's output for these rows."""
    inputs = {"x": np.array(rows, np.float32)}
    proto = rpc.predict(target, model, inputs, output_filter=[output]).outputs[output]
    return np.array(proto.float_val, np.float32).reshape([dim.size for dim in proto.tensor_shape.dim])


def at_once(target: str, model: str, requests: Sequence[Rows], output: str = "sums") -> list[Any]:
    """The answers to requests that are under way at the same time; of a refused one code and words."""
    together = threading.Barrier(len(requests))

    def one(rows: Rows) -> Any:
        together.wait()
        try:
            return ask(target, model, rows, output)
        except grpc.RpcError as error:
            return error.code().name, error.details()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(one, requests))


def table(rows: int, width: int = 2) -> Rows:
    return [[1.0] * width] * rows


def test_requests_that_fill_a_batch_are_answered_each_with_its_own(target: str) -> None:
    answers = at_once(target, "full", [[[1.0, 2.0]], [[10.0, 20.0], [0.0, 5.0]], [[7.0, 7.0]]])
    assert [answer.tolist() for answer in answers] == [[3.0], [30.0, 5.0], [14.0]]


def test_a_batch_of_one_request(target: str) -> None:
    assert ask(target, "full", table(4)).tolist() == [2.0] * 4


def test_a_request_that_is_too_large(target: str) -> None:
    words = "Task size 5 is larger than maximum input batch size 4"
    assert refusal(ask, target, "full", table(5)) == ("INVALID_ARGUMENT", words)


def test_more_requests_than_may_wait(target: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = {pool.submit(ask, target, "full", table(3, width=3), "doubled") for _ in range(2)}
        # Whichever came second finds no room; then the other one gets the row that it waits for.
        (refused,), (waiting,) = wait(both, return_when=FIRST_COMPLETED)
        assert ask(target, "full", table(1, width=3), "doubled").tolist() == [[2.0] * 3]
        assert waiting.result().tolist() == [[2.0] * 3] * 3
    error = refused.exception()
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("The batch scheduling queue to which this task was submitted is full")


@pytest.mark.usefixtures("as_tf_serving")
def test_requests_of_different_shapes_in_one_batch_are_all_refused(target: str) -> None:
    answers = at_once(target, "full", [table(2, width=2), table(2, width=3)])
    for code, message in answers:
        assert code == "FAILED_PRECONDITION"
        assert message.startswith("Tensors with name '")
        assert "' from different tasks have different shapes and padding is turned off." in message


def test_different_shapes_are_filled_up_with_the_first_element(target: str) -> None:
    narrow, wide = at_once(target, "ragged", [[[1.0], [2.0]], [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]], "doubled")
    assert narrow.tolist() == [[2.0, 2.0, 2.0], [4.0, 2.0, 2.0]]
    assert wide.tolist() == [[6.0, 8.0, 10.0], [12.0, 14.0, 16.0]]


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 16])
def test_rows_that_fill_up_a_batch_are_not_in_the_answer(target: str, rows: int) -> None:
    assert ask(target, "padded", [[float(row)] for row in range(rows)]).tolist() == [float(row) for row in range(rows)]


@pytest.mark.parametrize("rows", [1, 40, 41, 80])
def test_a_large_request_is_split(target: str, rows: int) -> None:
    assert ask(target, "split", [[float(row)] for row in range(rows)]).tolist() == [float(row) for row in range(rows)]


def test_a_large_request_for_which_there_is_no_room(target: str) -> None:
    code, message = refusal(ask, target, "split", table(81))
    assert code == "UNAVAILABLE"
    assert message.startswith(
        "The batch scheduling queue to which this task was submitted is full; task size is 81 but scheduling capacity "
        "is only 80"
    )
    words = "Task size 101 is larger than maximum input batch size 100"
    assert refusal(ask, target, "split", table(101)) == ("INVALID_ARGUMENT", words)


@pytest.mark.usefixtures("as_tf_serving")
@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (np.float32(2.0), "Batching Run() input tensors must have at least one dimension"),
        (np.ones([3, 1], np.float32), "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_inputs_that_have_no_rows_in_common(target: str, factor: Floats, words: str) -> None:
    inputs = {"x": np.ones([4, 2], np.float32), "factor": factor}
    assert refusal(rpc.predict, target, "full", inputs, signature="scale") == ("INVALID_ARGUMENT", words)


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("total", "Batched output tensor has 0 dimensions"),
        (
            "first",
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_outputs_that_have_no_row_for_each_row(target: str, signature: str, words: str) -> None:
    inputs = {"x": np.ones([4, 2], np.float32)}
    assert refusal(rpc.predict, target, "full", inputs, signature=signature) == ("FAILED_PRECONDITION", words)


def test_a_wrong_type_is_refused_in_the_words_of_the_graph(target: str) -> None:
    refused = refusal(rpc.predict, target, "full", {"x": np.ones([4, 2], np.float64)})
    assert refused == ("INVALID_ARGUMENT", "Expects arg[0] to be float but double is provided")


def test_a_model_without_parameters_is_not_batched(target: str) -> None:
    assert rpc.predict(target, "echo", {"x": np.float32(1.5)}).outputs["x"].float_val == [1.5]
