"""A SavedModel as a session: TensorFlow's own, and a fast way to run it.

It is a version 1 session, as in TF Serving itself: run-time errors come out in the same words, exports of every
TensorFlow generation load, and a call costs microseconds where `saved_model.load` costs hundreds.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.saved_model import loader_impl  # the public alias of it logs a deprecation at every load

from kuberec.serving import status
from kuberec.serving.codec import Array
from kuberec.serving.text_ops import register_text_ops

SERVE_TAG = "serve"

Key = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the tensors that are fed and fetched, for which TensorFlow prepares a graph."""

log = logging.getLogger(__name__)


class GraphSession:
    """A loaded graph, safe for use by many threads.

    Attributes:
        signatures: SignatureDef by name.
    """

    def __init__(
        self, folder: Path, tags: Sequence[str] = (SERVE_TAG,), *, intra_op_threads: int = 0, inter_op_threads: int = 0
    ) -> None:
        """Load the graph; costs its size in memory, and about 20 ms for a small one.

        Args:
            folder: The SavedModel.
            tags: Of the graph to load, all of them.
            intra_op_threads: That run parts of an operation; 0 for one for each core. A process has them once: its
                first session decides.
            inter_op_threads: That run the operations of requests with a deadline; as above.

        Raises:
            tf.errors.OpError, OSError, RuntimeError, ValueError: The folder is no whole SavedModel with these tags.
        """
        register_text_ops()
        config = config_pb2.ConfigProto(
            intra_op_parallelism_threads=intra_op_threads, inter_op_parallelism_threads=inter_op_threads
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            meta_graph = loader_impl.SavedModelLoader(str(folder)).load(self._session, list(tags))
        except BaseException:
            self._session.close()
            raise
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
        self._callables: dict[Key, Callable[..., Sequence[Any]] | None] = {}
        self._making = threading.Lock()
        self._first_runs: dict[Key, threading.Lock] = {}
        self._prepared: set[Key] = set()

    def run(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None) -> list[Array]:
        """Arrays by tensor name in, the fetched tensors' arrays out, in order.

        Args:
            feeds: Arrays by tensor name.
            fetches: Tensor names.
            timeout: Seconds after which the run is given up; None lets it take its time.

        Raises:
            StatusError: TensorFlow refused, in its own words.
        """
        # TensorFlow prepares a graph anew for every order, which takes a large one seconds.
        feeds = dict(sorted(feeds.items()))
        wanted = tuple(sorted(set(fetches)))
        found = dict(zip(wanted, self._run_in_order(feeds, wanted, timeout), strict=True))
        return [_array(found[name]) for name in fetches]

    def _run_in_order(self, feeds: dict[str, Array], fetches: tuple[str, ...], timeout: float | None) -> Sequence[Any]:
        try:
            function = self._callable(tuple(feeds), fetches) if timeout is None else None
            if function is not None:
                with contextlib.suppress(tf.errors.InvalidArgumentError):
                    return function(*feeds.values())
            # The fast path words a wrong type its own way; this one says what TF Serving says.
            return self._run_plainly(feeds, fetches, timeout)
        except tf.errors.OpError as error:
            raise status.from_number(error.error_code, error.message) from error

    def close(self) -> None:
        """Free the graph."""
        self._callables.clear()
        self._session.close()

    def _callable(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Callable[..., Sequence[Any]] | None:
        key = (feeds, fetches)
        if key not in self._callables:
            # One thread prepares the graph, which takes a large one seconds; all at once would take as many times that.
            with self._making:
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

    def _run_plainly(self, feeds: dict[str, Array], fetches: tuple[str, ...], timeout: float | None) -> Sequence[Any]:
        graph = self._session.graph
        # What `Session.run` itself calls, without its conversion of the feeds: a wrong type must stay wrong.
        inputs = {graph.get_tensor_by_name(name)._as_tf_output(): array for name, array in feeds.items()}
        outputs = [graph.get_tensor_by_name(name)._as_tf_output() for name in fetches]
        with self._first_alone((tuple(feeds), fetches), timeout), _run_options(timeout) as options:
            result: Sequence[Any] = self._session._call_tf_sessionrun(options, inputs, outputs, [], None)
        return result

    @contextlib.contextmanager
    def _first_alone(self, key: Key, timeout: float | None) -> Iterator[None]:
        """Let one run prepare the graph while the others wait for it, but none longer than its time."""
        if key in self._prepared:
            yield
            return
        first = self._first_runs.setdefault(key, threading.Lock())
        held = first.acquire(timeout=-1 if timeout is None else timeout)
        try:
            yield
            self._prepared.add(key)
        finally:
            if held:
                first.release()


def _array(value: Any) -> Array:
    """What a run gives as an array; TensorFlow gives a single string as bare bytes."""
    return np.array(value, dtype=object) if isinstance(value, bytes) else value


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
