"""From a step's positives to the loss of each, at the least cost that the catalogue allows.

- A user vector serves all positives of its group.
- Where the catalogue is no larger than what a step would encode of it anyway, it is encoded once, one product gives
  every score, and positives and negatives are read from that: for a pairwise loss, negatives of each positive's own.
- Otherwise only the step's positives and negatives are encoded: the cost does not grow with the catalogue.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kuberec.training.config import GradientConfig, Loss
from kuberec.training.data import Step, StepData
from kuberec.training.losses import log_sum_exp, mean_valid, pairwise_loss, sampled_softmax_loss
from kuberec.training.network import RetrievalNetwork

COMPARISON_STREAM = 1 << 20
PAIRWISE = (Loss.BPR, Loss.HINGE, Loss.WARP)


class Objective:
    """The loss of a network under a configuration.

    Args:
        network: Encodes users and items.
        config: Names the loss and its settings.
        data: The phase's tensors.
    """

    def __init__(self, network: RetrievalNetwork, config: GradientConfig, data: StepData) -> None:
        self.network, self.config, self.data = network, config, data
        self.small_catalogue = network.is_dot_product and data.n_known <= data.batch_size + data.n_negatives
        self.pairwise = config.loss in PAIRWISE
        # There the sum over all known items costs no more than one over some of them.
        self.exact = config.loss is Loss.SOFTMAX and (self.small_catalogue or data.all_negatives)

    def losses(self, step: Step) -> tf.Tensor:
        """The losses `[P]` of the step's positives."""
        users = self.data.user_inputs(step)
        user_vectors = self.network.encode_users(users, training=True)
        if self.exact:
            losses, item_lengths = self._exact(step, user_vectors)
        elif self.pairwise and self.small_catalogue:
            losses, item_lengths = self._pairs(step, users["history"], user_vectors)
        else:
            places, log_chances = self.data.negatives(step)
            # All other positives of the group are targets of their own; drawn as negatives they would be false ones.
            valid = self.data.valid(step, users["history"], places)
            score = self._read if self.small_catalogue else self._encode
            positive, negative, item_lengths = score(step, user_vectors, places)
            losses = self._sampled(step, positive, negative, valid, places, log_chances)
        if not self.config.regularization:
            return losses
        return losses + self.config.regularization * (tf.gather(_squares(user_vectors), step.row) + item_lengths)

    def _exact(self, step: Step, user_vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        every, places, lengths = self._catalogue(step, user_vectors)
        return catalogue_softmax(every / self.config.temperature, step.row, places), lengths

    def _pairs(self, step: Step, history: tf.Tensor, user_vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        every, places, lengths = self._catalogue(step, user_vectors)
        negatives = self.data.draw(step, [tf.size(places), self.config.comparisons])
        cells = step.row[:, None] * self.data.n_known + tf.concat([places[:, None], negatives], axis=1)
        # One read for both: the gradient of each is as large as all scores.
        scores = tf.gather(tf.reshape(every, [-1]), cells)
        positive, negative = tf.split(scores, [1, self.config.comparisons], axis=1)
        valid = self.data.valid_cells(step, history, cells[:, 1:])
        return pairwise_loss(self.config, positive[:, 0], negative, valid, self.data.n_known), lengths

    def _read(self, step: Step, user_vectors: tf.Tensor, negatives: tf.Tensor) -> Any:
        """Scores of the positives `[P]` and of the negatives `[R, M]`, and the positives' squared lengths `[P]`."""
        every, places, lengths = self._catalogue(step, user_vectors)
        positive = tf.gather_nd(every, tf.stack([step.row, places], axis=1))
        negative = every if self.data.all_negatives else tf.gather(every, negatives, axis=1)
        return positive, negative, lengths

    def _encode(self, step: Step, user_vectors: tf.Tensor, negatives: tf.Tensor) -> Any:
        """The same, of the step's items alone."""
        item_vectors = self._positives(step.item)
        positive = self.network.interact(tf.gather(user_vectors, step.row), item_vectors)
        negative = self._cross(user_vectors, self._items(tf.gather(self.data.known_items, negatives)))
        return positive, negative, _squares(item_vectors)

    def _sampled(
        self,
        step: Step,
        positive: tf.Tensor,
        negative: tf.Tensor,
        valid: tf.Tensor,
        places: tf.Tensor,
        log_chances: tf.Tensor,
    ) -> tf.Tensor:
        if self.config.loss is Loss.SOFTMAX:
            temperature = self.config.temperature
            total = log_sum_exp(negative / temperature, valid, log_chances)
            return sampled_softmax_loss(positive / temperature, tf.gather(total, step.row))
        if self.config.loss is Loss.LOGISTIC:
            opposite = self.config.negative_weight * mean_valid(tf.math.softplus(negative), valid)
            return tf.math.softplus(-positive) + tf.gather(opposite, step.row)
        cells = step.row[:, None] * tf.size(places) + self._compared(step, places)
        compared, valid = tf.gather(tf.reshape(negative, [-1]), cells), tf.gather(tf.reshape(valid, [-1]), cells)
        return pairwise_loss(self.config, positive, compared, valid, self.data.n_known)

    def _compared(self, step: Step, places: tf.Tensor) -> tf.Tensor:
        """`[P, N]` columns of the negatives at sorted `places` `[M]` to compare each positive with, drawn uniformly."""
        shape = [tf.size(step.row), self.config.comparisons]
        seed = step.seed + tf.constant([COMPARISON_STREAM, 0])
        columns = tf.random.stateless_uniform(shape, seed, maxval=tf.size(places), dtype=tf.int32)
        # One that was drawn twice is met twice as often: its first column, the valid one, stands for all.
        return tf.gather(tf.searchsorted(places, places), columns)

    def _catalogue(self, step: Step, user_vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores of all known items `[R, n]`, and the positives' places among them and squared lengths `[P]`."""
        catalogue, places = self._items(self.data.known_items), self.data.places(step.item)
        return self._cross(user_vectors, catalogue), places, tf.gather(_squares(catalogue), places)

    def _cross(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        if not self.network.is_dot_product:
            return self.network.cross(users, items)
        return tf.matmul(users, items, transpose_b=True)  # the same; its gradient transposes nothing

    def _positives(self, index: tf.Tensor) -> tf.Tensor:
        if not self.network.uses_item_features:
            return self._items(index)  # looked up, which is as cheap as to tell the distinct ones
        distinct, place = tf.unique(index)
        return tf.gather(self._items(distinct), place)

    def _items(self, index: tf.Tensor) -> tf.Tensor:
        return self.network.encode_items(self.data.item_inputs(index), training=True)


@tf.custom_gradient
def catalogue_softmax(
    every: tf.Tensor, row: tf.Tensor, place: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
    """Cross-entropy `[P]` of the items at cells (row, place) `[P]` among all scores `every` `[R, n]` of the row.

    The gradient is written out, for automatic differentiation passes over the scores several times more.
    """
    cells = tf.stack([row, place], axis=1)
    total = tf.reduce_logsumexp(every, axis=1)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        weight = tf.math.unsorted_segment_sum(upstream, row, tf.shape(every)[0])
        share = tf.exp(every - total[:, None]) * weight[:, None]
        return tf.tensor_scatter_nd_sub(share, cells, upstream), None, None

    return tf.gather(total, row) - tf.gather_nd(every, cells), gradient


def _squares(vectors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(vectors), axis=-1)
