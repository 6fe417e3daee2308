"""Losses of one positive against a step's negatives; all arguments and results are tensors, `ops` is `keras.ops`.

Shapes: `positive` `[B]`, `negative` `[B, M]`, `valid` `[B, M]` bool (False where the negative is an item that the user
took), the result `[B]`.
"""

from typing import Any

from keras import ops

from kuberec.training.config import FamilyConfig, Loss, Mining

Tensor = Any
LOWEST = -1e9
"""Stands for minus infinity, which would turn gradients into NaN."""


def ranking_loss(
    config: FamilyConfig, positive: Tensor, negative: Tensor, valid: Tensor, log_counts: Tensor, n_items: int
) -> Tensor:
    """The family's loss of each positive.

    Args:
        config: Names the loss and its settings.
        positive: Scores of the positives.
        negative: Scores of the negatives.
        valid: Which negatives count for which positive.
        log_counts: `[M]`, logarithm of how often each negative is expected in a step; 0 for an exact softmax.
        n_items: Size of the catalogue, for WARP's rank.

    Returns:
        `[B]` float32; 0 where no negative is valid.
    """
    if config.loss is Loss.SOFTMAX:
        return softmax_loss(positive / config.temperature, negative / config.temperature - log_counts, valid)
    if config.loss is Loss.WARP:
        return warp_loss(positive, negative, valid, config.margin, n_items)
    negative, valid = mine(positive, negative, valid, config.mining)
    if config.loss is Loss.BPR:
        return _mean(ops.softplus(negative - positive[:, None]), valid)
    return _mean(ops.relu(config.margin + negative - positive[:, None]), valid)


def softmax_loss(positive: Tensor, negative: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy of the positive among itself and the valid negatives."""
    logits = ops.concatenate([positive[:, None], ops.where(valid, negative, LOWEST)], axis=1)
    return ops.logsumexp(logits, axis=1) - positive


def warp_loss(positive: Tensor, negative: Tensor, valid: Tensor, margin: float, n_items: int) -> Tensor:
    """Mean hinge over the violators, weighted by log(1 + estimated rank).

    The rank of the positive in the catalogue is estimated from the share of the valid negatives that violate the
    margin, in place of WARP's count of draws until the first violator; no gradient flows through it.
    """
    hinge = ops.relu(margin + negative - positive[:, None])
    violates = ops.logical_and(valid, hinge > 0)
    count = ops.sum(ops.cast(valid, hinge.dtype), axis=1)
    share = ops.sum(ops.cast(violates, hinge.dtype), axis=1) / ops.maximum(count, 1.0)
    weight = ops.stop_gradient(ops.log1p(share * n_items))
    return weight * _mean(hinge, violates)


def mine(positive: Tensor, negative: Tensor, valid: Tensor, mining: Mining) -> tuple[Tensor, Tensor]:
    """The negatives that the loss looks at: all `[B, M]`, or the chosen one `[B, 1]`, with their validity."""
    if mining is Mining.ALL:
        return negative, valid
    masked = ops.where(valid, negative, LOWEST)
    hardest = ops.max(masked, axis=1, keepdims=True)
    if mining is Mining.SEMI_HARD:
        below = ops.where(masked < positive[:, None], masked, LOWEST)
        best_below = ops.max(below, axis=1, keepdims=True)
        lowest = ops.min(ops.where(valid, negative, -LOWEST), axis=1, keepdims=True)
        hardest = ops.where(best_below > LOWEST, best_below, lowest)
    return hardest, ops.any(valid, axis=1, keepdims=True)


def _mean(values: Tensor, valid: Tensor) -> Tensor:
    weights = ops.cast(valid, values.dtype)
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
