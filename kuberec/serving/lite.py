"""A TensorFlow Lite model as a session: interpreters that take turns, inputs resized to what was sent.

An interpreter serves one request at a time and cannot be stopped: a deadline counts while a request waits for one, and
not while it runs. TF Serving copies values of a wrong type or rank byte by byte, and calls a shape that the model does
not take INTERNAL; here all these are INVALID_ARGUMENT, as they are of a graph.
"""

import logging
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
            own_signatures: Serve the model's signatures; else, and where it has none, one of all its tensors.

        Raises:
            OSError: The file cannot be read.
            RuntimeError, ValueError: It is no TensorFlow Lite model, or has operations that nobody knows.
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
        if not isinstance(runners.get(WHOLE), WholeModel):
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
    """Runs a model by its tensors' names, without `:0` and the like; called as a signature's runner is called."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter

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
        return _by_alias(self._interpreter.get_input_details())

    def get_output_details(self) -> Details:
        """TensorFlow's description of each output, by alias."""
        return _by_alias(self._interpreter.get_output_details())


def _runners(content: bytes, own_signatures: bool) -> Runners:
    with warnings.catch_warnings():
        # TensorFlow announces that this class will move to another package, and is pinned to a version that has it.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)
    # What it cannot run is to fail now, and not with every request.
    interpreter.allocate_tensors()
    keys = interpreter.get_signature_list() if own_signatures else ()
    return {key: interpreter.get_signature_runner(key) for key in keys} or {WHOLE: WholeModel(interpreter)}


def _signature(key: str, runner: Any) -> Any:
    signature = meta_graph_pb2.SignatureDef(method_name=METHOD)
    # Signatures may call different tensors by the same name.
    prefix = "" if isinstance(runner, WholeModel) else f"{key}/"
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


def _by_alias(tensors: Sequence[Mapping[str, Any]]) -> Details:
    return {details["name"].partition(":")[0]: details for details in sorted(tensors, key=lambda given: given["name"])}


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
