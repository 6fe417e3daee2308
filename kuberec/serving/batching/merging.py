"""Arrays of many requests as the arrays of one run, and back; TF Serving's checks and words."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from kuberec.serving.status import StatusError, failed_precondition, invalid_argument

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


def count_rows(inputs: Arrays) -> int:
    """The size of the first dimension, which all inputs share.

    Raises:
        StatusError: There is no input, one is a scalar, or the sizes differ.
    """
    if not inputs:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    if any(array.ndim == 0 for array in inputs.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def merge(requests: Sequence[Arrays], padding: int, *, pad_variable_length: bool) -> dict[str, Array]:
    """The inputs of all requests, one below the other.

    Args:
        requests: Inputs by name, the same names and types in each; at least one request.
        padding: Rows to add: copies of the first one, which is as valid as any.
        pad_variable_length: Make the shapes equal; each array is filled up with its own first element.

    Raises:
        StatusError: The shapes differ beyond the first dimension, and may not or cannot be made equal.
    """
    return {
        name: _merged(name, [inputs[name] for inputs in requests], padding, pad_variable_length) for name in requests[0]
    }


def split(outputs: Arrays, rows: Sequence[int], padding: int) -> list[dict[str, Array]]:
    """The outputs of each request, without the rows that were added.

    Args:
        outputs: Outputs of a run by name.
        rows: Rows of each request.
        padding: Rows that were added.

    Raises:
        StatusError: An output has no row for each row of the inputs.
    """
    for array in outputs.values():
        if np.ndim(array) == 0:
            raise failed_precondition("Batched output tensor has 0 dimensions")
        if len(array) != sum(rows) + padding:
            raise failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors"
            )
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(accumulate(rows), rows, strict=True)
    ]


def _merged(name: str, arrays: Sequence[Array], padding: int, pad_variable_length: bool) -> Array:
    if len({array.shape[1:] for array in arrays}) > 1:
        if not pad_variable_length:
            raise failed_precondition(
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                "dimensions starting with the first dim."
            )
        arrays = _same_shape(arrays)
    if padding:
        first = next((array for array in arrays if len(array)), None)
        arrays = [*arrays, *([] if first is None else [np.repeat(first[:1], padding, axis=0)])]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _same_shape(arrays: Sequence[Array]) -> list[Array]:
    if len({array.ndim for array in arrays}) > 1:
        raise StatusError(grpc.StatusCode.INTERNAL, "Tensor concat operation failed: the ranks of the tensors differ")
    shape = tuple(np.max([array.shape[1:] for array in arrays], axis=0))
    return [array if array.shape[1:] == shape else _grown(array, shape) for array in arrays]


def _grown(array: Array, shape: tuple[int, ...]) -> Array:
    if not array.size:
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    grown = np.full((len(array), *shape), array.flat[0], dtype=array.dtype)
    grown[tuple(slice(size) for size in array.shape)] = array
    return grown
