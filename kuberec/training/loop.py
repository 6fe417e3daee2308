"""The training loop: whole passes over the positives inside one compiled graph."""

import numpy as np
import tensorflow as tf

from kuberec.errors import ModelError
from kuberec.training.config import GradientConfig
from kuberec.training.data import StepData, TrainingData
from kuberec.training.network import RetrievalNetwork
from kuberec.training.objective import Objective
from kuberec.training.optimizer import SparseAdam

STEPS_PER_CALL = 64
NEGATIVE_STREAM = 1


class TrainingLoop:
    """Trains one network on one part of the data.

    The order of the positives and the negatives are functions of (seed, epoch, step) alone, so a loop that resumes
    from saved variables goes on exactly as the unbroken one would have.
    """

    def __init__(self, network: RetrievalNetwork, config: GradientConfig, data: TrainingData, seed: int) -> None:
        self.network = network
        self.config = config
        self.seed = seed
        self.data = StepData(data, config, network.uses_history)
        self.steps_per_epoch = self.data.steps_per_epoch
        build(network, data)
        self.objective = Objective(network, config, self.data)
        self.trained = [variable.value for variable in network.trainable_variables]
        self.optimizer = SparseAdam(self.trained, config.learning_rate * network.fine_tuning)

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything that a checkpoint must hold: weights, generator states, optimizer slots."""
        return [*(variable.value for variable in self.network.variables), *self.optimizer.variables]

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """One pass, each positive seen once.

        Returns:
            `loss`, the mean over the positives.

        Raises:
            ModelError: The loss is no longer finite.
        """
        self.data.shuffle(self.seed, epoch)
        total = 0.0
        for start in range(0, self.steps_per_epoch, STEPS_PER_CALL):
            end = min(start + STEPS_PER_CALL, self.steps_per_epoch)
            total += float(self._run_steps(tf.constant(epoch), tf.constant(start), tf.constant(end)))
        mean = total / self.data.n_positives
        if not np.isfinite(mean):
            raise ModelError(
                f"the loss became {mean} in epoch {epoch + 1}. Lower learning_rate (now {self.config.learning_rate})."
            )
        return {"loss": mean}

    @tf.function(reduce_retracing=True, autograph=False)  # rewriting all that a step calls takes longer than tracing it
    def _run_steps(self, epoch: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        def step(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number + 1, total + self._step(epoch, number)

        return tf.while_loop(lambda number, _: number < end, step, [start, tf.constant(0.0)])[1]

    def _step(self, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        # Added in the graph, where the greatest seed wraps around.
        seed = tf.stack([tf.constant(self.seed) + NEGATIVE_STREAM, epoch * self.steps_per_epoch + number])
        step = self.data.step(number, seed)
        with tf.GradientTape() as tape:
            losses = self.objective.losses(step)
            mean = tf.reduce_mean(losses)
        self.optimizer.apply(tape.gradient(mean, self.trained))
        return tf.reduce_sum(losses)


def build(network: RetrievalNetwork, data: TrainingData) -> None:
    """Create the weights by one call on the unknown user and item."""
    unknown = np.zeros(1, dtype=np.int32)
    network(data.user_inputs(unknown), data.item_inputs(unknown))
