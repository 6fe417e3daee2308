"""A TensorFlow Lite model as a session: interpreters that take turns, inputs resized to what was sent.

An interpreter serves one request at a time and cannot be stopped: a deadline counts while a request waits for one, and
not while it runs. TF Serving copies values of a wrong type byte by byte, and calls a shape that the model does not take
INTERNAL; here both are INVALID_ARGUMENT, as they are of a graph. Values with too few dimensions, which it hands to the
interpreter, get those of the model where they fill its rows, and are INVALID_ARGUMENT otherwise.
"""

import logging
import math
import queue
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from kuberec.serving.codec import Array
from kuberec.serving.lite_metadata import read_signatures
from kuberec.serving.status import StatusError, invalid_argument

LITE_FILE = "model.tflite"
METHOD = "tensorflow/serving/predict"
WHOLE = "serving_default"
"""The signature of a model without signatures."""

log = logging.getLogger(__name__)

Details = Mapping[str, Mapping[str, Any]]
Runners = Mapping[str, Any]


class LiteSession:
    """A loaded TensorFlow Lite model, safe for use by many threads.

    Attributes:
        signatures: SignatureDef by name; as in TF Serving, a size that is free shows as 1.
    """

    def __init__(self, file: Path, interpreters: int, *, own_signatures: bool = True) -> None:
        """Load the model: its weights once, memory for its tensors for each interpreter.

        Args:
            file: The TensorFlow Lite model.
            interpreters: Requests that run at a time, at least 1.
            own_signatures: Of a model without signatures in its metadata, serve its own; else, and where it has none,
                one of all its tensors.

        Raises:
            OSError: The file cannot be read.
            RuntimeError, ValueError: It is no TensorFlow Lite model, has operations that nobody knows, or signatures of
                tensors that it lacks.
        """
        content = file.read_bytes()
        self._closed = False
        self._idle: queue.SimpleQueue[Runners] = queue.SimpleQueue()
        for _ in range(interpreters):
            runners = _runners(content, own_signatures)
            self._idle.put(runners)
        self.signatures = {key: _signature(key, runner) for key, runner in runners.items()}
        self._inputs = {
            info.name: (alias, runners[key].get_input_details()[alias])
            for key, signature in self.signatures.items()
            for alias, info in signature.inputs.items()
        }
        self._outputs = {
            info.name: (key, alias)
            for key, signature in self.signatures.items()
            for alias, info in signature.outputs.items()
        }
        if not all(isinstance(runner, WholeModel) for runner in runners.values()):
            log.warning(
                "%s is served by its signatures %s; TF Serving would make one, %s, of its tensors",
                file, ", ".join(runners), WHOLE,
            )  # fmt: skip

    def run(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None) -> list[Array]:
        """Arrays by tensor name in, the fetched tensors' arrays out, in order; all of one signature.

        Args:
            feeds: Arrays by tensor name.
            fetches: Tensor names, at least one.
            timeout: Seconds after which a wait for an interpreter is given up; None waits as long as it takes.

        Raises:
            StatusError: A wrong type or shape, no interpreter in time, or the interpreter refused.
        """
        inputs = {}
        for position, (name, array) in enumerate(feeds.items()):
            alias, details = self._inputs[name]
            array = _in_rows(array, details)
            _check(position, alias, array, details)
            inputs[alias] = array
        if self._closed:
            raise StatusError(grpc.StatusCode.CANCELLED, "Session has been closed.")
        key, _ = self._outputs[fetches[0]]
        with self._interpreter(timeout) as runners:
            try:
                outputs = runners[key](**inputs)
            except (RuntimeError, ValueError) as error:
                raise invalid_argument(str(error).strip()) from error
        return [outputs[self._outputs[name][1]] for name in fetches]

    def close(self) -> None:
        """Free the interpreters."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get()

    @contextmanager
    def _interpreter(self, timeout: float | None) -> Iterator[Runners]:
        try:
            runners = self._idle.get(timeout=timeout)
        except queue.Empty:
            words = "No interpreter of the TensorFlow Lite model was free in time"
            raise StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, words) from None
        try:
            yield runners
        finally:
            self._idle.put(runners)


class WholeModel:
    """Runs a model by names for its tensors; called as a signature's runner is called.

    Attributes:
        written: The SignatureDef that names them; None takes their own names, without `:0` and the like.
    """

    def __init__(self, interpreter: Any, written: Any = None) -> None:
        self._interpreter = interpreter
        self.written = written

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        """Arrays by alias in, arrays by alias out; ValueError and RuntimeError as the interpreter raises them."""
        tensors = self.get_input_details()
        for alias, array in inputs.items():
            self._interpreter.resize_tensor_input(tensors[alias]["index"], array.shape)
        self._interpreter.allocate_tensors()
        for alias, array in inputs.items():
            self._interpreter.set_tensor(tensors[alias]["index"], array)
        self._interpreter.invoke()
        outputs = self.get_output_details()
        return {alias: self._interpreter.get_tensor(details["index"]) for alias, details in outputs.items()}

    def get_input_details(self) -> Details:
        """TensorFlow's description of each input, by alias."""
        return _by_alias(self._interpreter.get_input_details(), self.written and self.written.inputs)

    def get_output_details(self) -> Details:
        """TensorFlow's description of each output, by alias."""
        return _by_alias(self._interpreter.get_output_details(), self.written and self.written.outputs)


def _runners(content: bytes, own_signatures: bool) -> Runners:
    with warnings.catch_warnings():
        # TensorFlow announces that this class will move to another package, and is pinned to a version that has it.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)
    # What it cannot run is to fail now, and not with every request.
    interpreter.allocate_tensors()
    if written := read_signatures(content):
        return {key: WholeModel(interpreter, signature) for key, signature in written.items()}
    keys = interpreter.get_signature_list() if own_signatures else ()
    return {key: interpreter.get_signature_runner(key) for key in keys} or {WHOLE: WholeModel(interpreter)}


def _signature(key: str, runner: Any) -> Any:
    written = getattr(runner, "written", None)
    signature = meta_graph_pb2.SignatureDef(method_name=written.method_name if written else METHOD)
    # Signatures may call different tensors by the same name, and the same tensor by different ones.
    prefix = "" if isinstance(runner, WholeModel) and not written else f"{key}/"
    for infos, tensors in (
        (signature.inputs, runner.get_input_details()),
        (signature.outputs, runner.get_output_details()),
    ):
        for alias, details in tensors.items():
            infos[alias].name = prefix + details["name"]
            infos[alias].dtype = tf.as_dtype(details["dtype"]).as_datatype_enum
            infos[alias].tensor_shape.SetInParent()
            for size in details["shape"]:
                infos[alias].tensor_shape.dim.add(size=int(size))
    return signature


def _by_alias(tensors: Sequence[Mapping[str, Any]], written: Mapping[str, Any] | None) -> Details:
    found = {details["name"]: details for details in sorted(tensors, key=lambda given: given["name"])}
    if written is None:
        return {_bare(name): details for name, details in found.items()}
    # Some converters left `:0` out of the tensors' names, but not out of the signatures.
    names = {alias: info.name if info.name in found else _bare(info.name) for alias, info in sorted(written.items())}
    if unknown := {alias: name for alias, name in names.items() if name not in found}:
        raise ValueError(f"The signatures in its metadata name tensors that the model lacks: {unknown}")
    return {alias: found[name] for alias, name in names.items()}


def _bare(name: str) -> str:
    return name.partition(":")[0]


def _in_rows(array: Array, details: Mapping[str, Any]) -> Array:
    """Values with fewer dimensions than the model's input, with its own: as many rows as they fill."""
    row = tuple(int(size) for size in details["shape_signature"][1:])
    values = math.prod(row)
    if array.ndim < len(details["shape"]) and -1 not in row and values and array.size % values == 0:
        return array.reshape(-1, *row)
    return array


def _check(position: int, alias: str, array: Array, details: Mapping[str, Any]) -> None:
    # The interpreter reads beyond the end of a tensor of fewer dimensions, and of a scalar string its address.
    expected, given = tf.as_dtype(details["dtype"]), tf.as_dtype(array.dtype)
    if given != expected:
        raise invalid_argument(f"Expects arg[{position}] to be {_type(expected)} but {_type(given)} is provided")
    if array.ndim != len(details["shape"]):
        raise invalid_argument(f"{alias} has {len(details['shape'])} dimensions, and {array.ndim} came")
    if given == tf.string and not array.ndim:
        raise invalid_argument(f"{alias} is a scalar string, which TensorFlow Lite cannot take")


def _type(dtype: tf.DType) -> str:
    return str(types_pb2.DataType.Name(dtype.as_datatype_enum)).removeprefix("DT_").lower()
