"""One loaded version of a model: its session and signatures, and who uses it."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kuberec.serving import codec
from kuberec.serving.batching.session import Batching
from kuberec.serving.codec import Array
from kuberec.serving.metrics import Metrics, microseconds
from kuberec.serving.session import SessionOptions

RUNTIME = "TF1"  # as opposed to TF Serving's other ones


class Servable:
    """A loaded model version, safe for use by many threads.

    Attributes:
        name: The model's name.
        version: Its version number.
        signatures: SignatureDef by name.
        defaults: For each of them arrays by alias, of the inputs that need not be sent.
        metrics: What its requests are counted in.
        checks_methods: Whether a signature answers only the procedure of its `method_name`.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        *,
        metrics: Metrics | None = None,
        batching: Batching | None = None,
        session: SessionOptions | None = None,
        checks_methods: bool = False,
    ) -> None:
        """Load the version; costs its size in memory, and about 20 ms for a small model.

        Args:
            name: The model's name.
            version: Its version number.
            path: The version folder.
            metrics: Where runs are timed; None for nowhere else.
            batching: How runs are batched; None for not.
            session: How the model is opened; None for TF Serving's defaults.
            checks_methods: Whether a signature answers only the procedure of its `method_name`.

        Raises:
            tf.errors.OpError, OSError, RuntimeError, ValueError: The folder holds no whole model.
            StatusError: The version's own batching parameters are wrong.
        """
        self.name = name
        self.version = version
        self.metrics = metrics or Metrics()
        self.checks_methods = checks_methods
        self._session = (session or SessionOptions()).open(path)
        try:
            self._batches = batching.session(path, self._session.run, self.metrics) if batching else None
            self.signatures = self._session.signatures
            self.defaults = {name: _decoded(signature.defaults) for name, signature in self.signatures.items()}
        except BaseException:
            self._session.close()
            raise
        self._users: list[None] = []  # its methods are atomic: requests need not wait for each other
        self._retired = False
        self._closing = threading.Lock()
        self._closed = False

    def run(
        self, api: str, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None = None
    ) -> Sequence[Any]:
        """Run the model: arrays by tensor name in, the fetched tensors' arrays out, in order.

        Args:
            api: The procedure that asks, for the metrics.
            feeds: Arrays by tensor name.
            fetches: Tensor names.
            timeout: Seconds after which the run is given up; None lets it take its time.

        Raises:
            StatusError: TensorFlow refused, in its own words; or the batch did.
        """
        start = time.perf_counter()
        run = self._batches.run if self._batches else self._session.run
        values = run(feeds, fetches, timeout)
        self.metrics.runtime_latency.add(microseconds(time.perf_counter() - start), self.name, api, RUNTIME)
        return values

    @contextlib.contextmanager
    def in_use(self) -> Iterator[bool]:
        """Hold the session open for a request; False where the version has been retired already."""
        self._users.append(None)
        try:
            yield not self._retired
        finally:
            self._users.pop()
            if self._retired:
                self._close_if_idle()

    def retire(self) -> None:
        """Free the model as soon as the requests that use it are answered."""
        self._retired = True
        if self._batches:
            self._batches.close()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        with self._closing:
            if self._users or self._closed:
                return
            self._closed = True
        self._session.close()


def _decoded(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {alias: codec.decode(tensor) for alias, tensor in tensors.items()}
