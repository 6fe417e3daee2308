"""One loaded version of a SavedModel: a TensorFlow session, its signatures, and a fast way to run them.

It runs in a version 1 session, as in TF Serving itself: run-time errors come out in the same words, exports of every
TensorFlow generation load, and a call costs microseconds where `saved_model.load` costs hundreds.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.saved_model import loader_impl  # the public alias of it logs a deprecation at every load

from kuberec.serving import codec, status
from kuberec.serving.batching.session import Batching
from kuberec.serving.metrics import Metrics, microseconds

Array = npt.NDArray[Any]
SERVE_TAG = "serve"
RUNTIME = "TF1"  # as opposed to TF Serving's other ones

log = logging.getLogger(__name__)


class Servable:
    """A loaded model version, safe for use by many threads.

    Attributes:
        name: The model's name.
        version: Its version number.
        signatures: SignatureDef by name.
        defaults: For each of them arrays by alias, of the inputs that need not be sent.
        metrics: What its requests are counted in.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        *,
        metrics: Metrics | None = None,
        batching: Batching | None = None,
    ) -> None:
        """Load the version; costs its size in memory, and about 20 ms for a small model.

        Args:
            name: The model's name.
            version: Its version number.
            path: The version folder.
            metrics: Where runs are timed; None for nowhere else.
            batching: How runs are batched; None for not.

        Raises:
            tf.errors.OpError, OSError, RuntimeError, ValueError: The folder is no whole SavedModel.
            StatusError: The version's own batching parameters are wrong.
        """
        self.name = name
        self.version = version
        self.metrics = metrics or Metrics()
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            meta_graph = loader_impl.SavedModelLoader(str(path)).load(self._session, [SERVE_TAG])
            self._batches = batching.session(path, self._run, self.metrics) if batching else None
            self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
            self.defaults = {name: _decoded(signature.defaults) for name, signature in self.signatures.items()}
        except BaseException:
            self._session.close()
            raise
        self._callables: dict[tuple[tuple[str, ...], tuple[str, ...]], Callable[..., Sequence[Any]] | None] = {}
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False

    def run(
        self, api: str, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None = None
    ) -> Sequence[Any]:
        """Run the graph: arrays by tensor name in, the fetched tensors' arrays out, in order.

        Args:
            api: The procedure that asks, for the metrics.
            feeds: Arrays by tensor name.
            fetches: Tensor names.
            timeout: Seconds after which the run is given up; None lets it take its time.

        Raises:
            StatusError: TensorFlow refused, in its own words; or the batch did.
        """
        start = time.perf_counter()
        run = self._batches.run if self._batches else self._run
        values = run(feeds, fetches, timeout)
        self.metrics.runtime_latency.add(microseconds(time.perf_counter() - start), self.name, api, RUNTIME)
        return values

    @contextlib.contextmanager
    def in_use(self) -> Iterator[bool]:
        """Hold the session open for a request; False where the version has been retired already."""
        with self._lock:
            usable = not self._retired
            self._users += usable
        try:
            yield usable
        finally:
            if usable:
                self._leave()

    def retire(self) -> None:
        """Free the model as soon as the requests that use it are answered."""
        with self._lock:
            self._retired = True
            idle = self._users == 0
        if self._batches:
            self._batches.close()
        if idle:
            self._close()

    def _run(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None) -> Sequence[Any]:
        try:
            function = self._callable(tuple(feeds), tuple(fetches)) if timeout is None else None
            if function is not None:
                with contextlib.suppress(tf.errors.InvalidArgumentError):
                    return function(*feeds.values())
            # The fast path words a wrong type its own way; this one says what TF Serving says.
            return self._run_plainly(feeds, fetches, timeout)
        except tf.errors.OpError as error:
            raise status.from_number(error.error_code, error.message) from error

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._retired and self._users == 0
        if last:
            self._close()

    def _close(self) -> None:
        self._callables.clear()
        self._session.close()

    def _callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable[..., Sequence[Any]] | None:
        key = (feeds, fetches)
        if key not in self._callables:
            self._callables[key] = self._make_callable(feeds, fetches)
        return self._callables[key]

    def _make_callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable[..., Sequence[Any]] | None:
        # A private interface of TensorFlow: where a version lacks it, every call takes the plain way.
        try:
            # -1 runs every operation in the thread that calls: 5 us a call instead of 30.
            here = config_pb2.RunOptions(inter_op_thread_pool=-1)
            made: Callable[..., Sequence[Any]] = self._session._make_callable_from_options(
                config_pb2.CallableOptions(feed=feeds, fetch=fetches, run_options=here)
            )
        except (AttributeError, TypeError) as error:
            log.warning("TensorFlow %s offers no fast calls (%s); requests run slower", tf.__version__, error)
            return None
        return made

    def _run_plainly(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None) -> Sequence[Any]:
        graph = self._session.graph
        # What `Session.run` itself calls, without its conversion of the feeds: a wrong type must stay wrong.
        inputs = {graph.get_tensor_by_name(name)._as_tf_output(): array for name, array in feeds.items()}
        outputs = [graph.get_tensor_by_name(name)._as_tf_output() for name in fetches]
        with _run_options(timeout) as options:
            result: Sequence[Any] = self._session._call_tf_sessionrun(options, inputs, outputs, [], None)
        return result


def _decoded(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {alias: codec.decode(tensor) for alias, tensor in tensors.items()}


@contextlib.contextmanager
def _run_options(timeout: float | None) -> Iterator[Any]:
    """TensorFlow's own copy of RunOptions; None for none."""
    if timeout is None:
        yield None
        return
    # 0 would mean no limit.
    milliseconds = max(1, int(timeout * 1000))
    options = pywrap_tf_session.TF_NewBufferFromString(
        config_pb2.RunOptions(timeout_in_ms=milliseconds).SerializeToString()
    )
    try:
        yield options
    finally:
        pywrap_tf_session.TF_DeleteBuffer(options)
