"""The training loop: whole passes over the positives inside one compiled graph."""

from typing import Any

import numpy as np
import tensorflow as tf

from kuberec.errors import ModelError
from kuberec.training.config import FamilyConfig, Loss
from kuberec.training.data import StepData, TrainingData, valid_negatives
from kuberec.training.losses import ranking_loss
from kuberec.training.network import RetrievalNetwork
from kuberec.training.optimizer import SparseAdam

STEPS_PER_CALL = 64
NEGATIVE_STREAM = 1


class TrainingLoop:
    """Trains one network on one part of the data.

    The order of the positives and the negatives are functions of (seed, epoch, step) alone, so a loop that resumes
    from saved variables goes on exactly as the unbroken one would have.
    """

    def __init__(self, network: RetrievalNetwork, config: FamilyConfig, data: TrainingData, seed: int) -> None:
        self.network = network
        self.config = config
        self.seed = seed
        self.data = StepData(data, config.negatives, config.n_negatives)
        self.batch_size = min(config.batch_size, self.data.n_positives)
        self.steps_per_epoch = -(-self.data.n_positives // self.batch_size)
        build(network, data)
        self.trained = [variable.value for variable in network.trainable_variables]
        self.optimizer = SparseAdam(self.trained, config.learning_rate)

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything that a checkpoint must hold: weights, generator states, optimizer slots."""
        return [*(variable.value for variable in self.network.variables), *self.optimizer.variables]

    def run_epoch(self, epoch: int) -> float:
        """One pass, each positive seen once.

        Returns:
            The mean loss of a positive.

        Raises:
            ModelError: The loss is no longer finite.
        """
        total = 0.0
        for start in range(0, self.steps_per_epoch, STEPS_PER_CALL):
            end = min(start + STEPS_PER_CALL, self.steps_per_epoch)
            total += float(self._run_steps(tf.constant(epoch), tf.constant(start), tf.constant(end)))
        mean = total / self.data.n_positives
        if not tf.math.is_finite(mean):
            raise ModelError(
                f"the loss became {mean} in epoch {epoch + 1}. Lower learning_rate (now {self.config.learning_rate})."
            )
        return mean

    @tf.function(reduce_retracing=True)
    def _run_steps(self, epoch: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for step in tf.range(start, end):
            total += self._step(epoch, step)
        return total

    def _step(self, epoch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        rows, inside = self._rows(epoch, step)
        user, item = tf.gather(self.data.user, rows), tf.gather(self.data.item, rows)
        users = self.data.user_inputs(user, item)
        seed = tf.stack([self.seed + NEGATIVE_STREAM, epoch * self.steps_per_epoch + step])
        negatives, log_counts = self.data.negatives(seed)
        valid = self._valid(negatives, item, users["history"])
        with tf.GradientTape() as tape:
            losses = self._losses(users, item, negatives, log_counts, valid) * inside
            mean = tf.reduce_sum(losses) / tf.reduce_sum(inside)
        self.optimizer.apply(tape.gradient(mean, self.trained))
        return tf.reduce_sum(losses)

    def _rows(self, epoch: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Positions of the step's positives, and 0 for those past the end of the last, shorter step, else 1."""
        position = step * self.batch_size + tf.range(self.batch_size)
        inside = position < self.data.n_positives
        seed = tf.stack([self.seed, epoch])
        last = self.data.n_positives - 1
        rows = tf.random.experimental.index_shuffle(tf.minimum(position, last), seed, last)
        return rows, tf.cast(inside, tf.float32)

    def _valid(self, negatives: tf.Tensor, item: tf.Tensor, history: tf.Tensor) -> tf.Tensor:
        # The exact softmax's other positives are other rows' targets, not false negatives: only the row's own leaves.
        taken = history[:, :0] if self.config.loss is Loss.SOFTMAX else history
        return valid_negatives(negatives, item, taken)

    def _losses(
        self, users: dict[str, tf.Tensor], item: tf.Tensor, negatives: tf.Tensor, log_counts: tf.Tensor, valid: Any
    ) -> tf.Tensor:
        user_vectors = self.network.encode_users(users, training=True)
        item_vectors = self.network.encode_items(self.data.item_inputs(item), training=True)
        negative_vectors = self.network.encode_items(self.data.item_inputs(negatives), training=True)
        positive = tf.reduce_sum(user_vectors * item_vectors, axis=1)
        negative = tf.matmul(user_vectors, negative_vectors, transpose_b=True)
        losses = ranking_loss(self.config, positive, negative, valid, log_counts, self.data.n_known)
        lengths = tf.reduce_sum(tf.square(user_vectors), axis=1) + tf.reduce_sum(tf.square(item_vectors), axis=1)
        return losses + self.config.regularization * lengths


def build(network: RetrievalNetwork, data: TrainingData) -> None:
    """Create the weights by one call on the unknown user and item."""
    unknown = np.zeros(1, dtype=np.int32)
    network(data.user_inputs(unknown), data.item_inputs(unknown))
