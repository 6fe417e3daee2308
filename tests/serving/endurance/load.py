"""A model of some size, and clients that ask it without a pause."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from kuberec.client import Client, Retry
from kuberec.errors import ServingError

MODEL_MIB = 16
CLIENTS = 4
PATIENCE_SECONDS = 60


class Ballast(tf.Module):
    """total = x + a variable of some size, so that a version that is not freed shows."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = tf.Variable(tf.ones([MODEL_MIB * 2**18]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def add(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": x + self.numbers[0]}


def save_ballast(folder: Path) -> None:
    """Write the model as a version folder."""
    tf.saved_model.save(module := Ballast(), str(folder), signatures={"serving_default": module.add})


class Load:
    """Clients that ask as fast as they are answered; a refusal is not asked again.

    Attributes:
        failures: What was refused.
        answered: Number of right answers.
        version: The newest that has answered.
        labelled: The version that answered last, by label.
    """

    def __init__(self, target: str, model: str, labels: Sequence[str] = ()) -> None:
        """Each client asks the labels in turn, or the newest version where there are none."""
        self.failures: list[str] = []
        self.answered = 0
        self.version = 0
        self.labelled: dict[str | None, int] = {}
        self._labels = tuple(labels) or (None,)
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(target, model)) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, target: str, model: str) -> None:
        with Client(target, timeout=PATIENCE_SECONDS, retry=Retry(tries=1)) as client:
            for label in itertools.cycle(self._labels):
                if self._end.is_set():
                    return
                try:
                    answer = client.predict(model, {"x": [1.0]}, version=label)
                except ServingError as error:
                    self.failures.append(str(error))
                    continue
                with self._lock:
                    right = answer.outputs["total"] == [2.0]
                    self.answered += right
                    self.version = max(self.version, answer.version)
                    self.labelled[label] = answer.version
                if not right:
                    self.failures.append(str(answer))


def until(condition: Callable[[], bool], load: Load) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, load.failures[:3]
        time.sleep(0.01)
