"""Adam whose cost does not grow with an embedding table: only the rows of the step are read and written."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-7


class SparseAdam:
    """Adam (Kingma & Ba 2015), lazy on rows: a row's moments decay only in the steps that touch it.

    A table that a step reads for the most part is updated as a whole, which is cheaper there.

    Args:
        variables: What is trained; each gets two slots of its shape.
        learning_rate: Step size.
    """

    def __init__(self, variables: Sequence[tf.Variable], learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.first = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]
        self.second = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in variables]
        self.targets = list(variables)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint must hold."""
        return [self.step, *self.first, *self.second]

    def apply(self, gradients: Sequence[Any]) -> None:
        """One step; a gradient is a tensor, `IndexedSlices`, or None (the variable had no part in the loss)."""
        count = tf.cast(self.step.assign_add(1), tf.float32)
        rate = self.learning_rate * tf.sqrt(1.0 - BETA_2**count) / (1.0 - BETA_1**count)
        for target, first, second, gradient in zip(self.targets, self.first, self.second, gradients, strict=True):
            if gradient is None:
                continue
            if isinstance(gradient, tf.IndexedSlices) and not _is_most(gradient, target):
                _apply_rows(target, first, second, gradient, rate)
            else:
                _apply_all(target, first, second, tf.convert_to_tensor(gradient), rate)


def _is_most(gradient: tf.IndexedSlices, target: tf.Variable) -> bool:
    rows = gradient.indices.shape[0]
    return rows is not None and 2 * rows >= target.shape[0]


def _apply_all(
    target: tf.Variable, first: tf.Variable, second: tf.Variable, gradient: tf.Tensor, rate: tf.Tensor
) -> None:
    # One operation, so that the three tables are read and written once.
    tf.raw_ops.ResourceApplyAdam(
        var=target.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=0.0,  # `rate` is corrected already
        beta2_power=0.0,
        lr=rate,
        beta1=BETA_1,
        beta2=BETA_2,
        epsilon=EPSILON,
        grad=gradient,
    )


def _apply_rows(
    target: tf.Variable, first: tf.Variable, second: tf.Variable, gradient: tf.IndexedSlices, rate: tf.Tensor
) -> None:
    # A row that the step used several times gets the sum of its gradients, once.
    rows, position = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    new_first = BETA_1 * tf.gather(first, rows) + (1 - BETA_1) * values
    new_second = BETA_2 * tf.gather(second, rows) + (1 - BETA_2) * tf.square(values)
    first.scatter_update(tf.IndexedSlices(new_first, rows))
    second.scatter_update(tf.IndexedSlices(new_second, rows))
    target.scatter_sub(tf.IndexedSlices(rate * new_first / (tf.sqrt(new_second) + EPSILON), rows))
