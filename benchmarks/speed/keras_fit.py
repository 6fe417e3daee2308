"""The same model by Keras' own `model.fit`, in a process of its own; the last line is one JSON object.

    .venv/bin/python benchmarks/speed/keras_fit.py --positives FILE --batch-size 1024

Matrix factorization with BPR: embeddings, a bias an item, Adam, and a `tf.data` pipeline of (user, positive, drawn
negative), as a Keras user writes it.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.data import Positives

WARM_UP = 1
LEARNING_RATE = 0.001


class Bpr(keras.Model):
    """The score of the positive minus that of the negative, `[B]`."""

    def __init__(self, n_users: int, n_items: int, size: int) -> None:
        super().__init__()
        self.users = keras.layers.Embedding(n_users, size)
        self.items = keras.layers.Embedding(n_items, size)
        self.biases = keras.layers.Embedding(n_items, 1)

    def call(self, inputs: Any) -> Any:
        """Inputs are (user, positive, negative), each `[B]`."""
        user, positive, negative = inputs
        difference = self.items(positive) - self.items(negative)
        biases = self.biases(positive) - self.biases(negative)
        return keras.ops.sum(self.users(user) * difference, axis=-1) + biases[:, 0]


def triples(positives: Positives, batch_size: int) -> tf.data.Dataset:
    """Shuffled batches of (user, positive, negative) with a label that the loss ignores."""

    def draw(user: Any, item: Any) -> Any:
        negative = tf.random.uniform(tf.shape(item), maxval=positives.n_items, dtype=tf.int32)
        return (user, item, negative), tf.ones_like(user, tf.float32)

    return (
        tf.data.Dataset.from_tensor_slices((positives.user, positives.item))
        .shuffle(len(positives))
        .batch(batch_size)
        .map(draw, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def main() -> None:
    """Time the passes after the warm-up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positives", type=Path, required=True, help="an npz file of benchmarks/speed/data.py")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--embedding-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=1, help="passes to time after the warm-up (1)")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    positives = Positives.load(arguments.positives)
    model = Bpr(positives.n_users, positives.n_items, arguments.embedding_size)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        loss=lambda _, difference: keras.ops.softplus(-difference),
        jit_compile=False,
    )
    batches = triples(positives, arguments.batch_size)
    seconds = []
    for _ in range(WARM_UP + arguments.passes):
        start = time.perf_counter()
        model.fit(batches, verbose=0)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[WARM_UP:]}))


if __name__ == "__main__":
    main()
