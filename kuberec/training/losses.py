"""Losses of positives against negatives; all arguments and results are tensors, `ops` is `keras.ops`.

Shapes: `positive` `[P]`, `negative` `[P, N]`, `valid` `[P, N]` bool (False where the negative is an item that the user
took), the result `[P]`: 0 where no negative is valid.
"""

from typing import Any

from keras import ops

from kuberec.training.config import GradientConfig, Loss, Mining

Tensor = Any
LOWEST = -1e9
"""Stands for minus infinity, which would turn gradients into NaN."""


def pairwise_loss(config: GradientConfig, positive: Tensor, negative: Tensor, valid: Tensor, n_items: int) -> Tensor:
    """BPR, hinge or WARP.

    Args:
        config: Names the loss, its margin and what is mined.
        positive: Scores of the positives.
        negative: Scores of the negatives that each is compared with.
        valid: Which of these count.
        n_items: Size of the catalogue, for WARP's rank.
    """
    if config.loss is Loss.WARP:
        return warp_loss(positive, negative, valid, config.margin, n_items)
    negative, valid = mine(positive, negative, valid, config.mining)
    difference = negative - positive[:, None]
    if config.loss is Loss.BPR:
        return mean_valid(ops.softplus(difference), valid)
    return mean_valid(ops.relu(config.margin + difference), valid)


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
    return weight * mean_valid(hinge, violates)


def mine(positive: Tensor, negative: Tensor, valid: Tensor, mining: Mining) -> tuple[Tensor, Tensor]:
    """The negatives that the loss looks at: all `[P, N]`, or the chosen one `[P, 1]`, with their validity."""
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


def sampled_softmax_loss(positive: Tensor, total: Tensor) -> Tensor:
    """Cross-entropy of each positive `[P]` among itself and negatives whose log-sum-exp is `total` `[P]`."""
    return ops.softplus(total - positive)


def log_sum_exp(negative: Tensor, valid: Tensor, log_chances: Tensor) -> Tensor:
    """Logarithm of the summed exponentials of the valid negatives, corrected for how they were drawn.

    Args:
        negative: `[R, M]`.
        valid: `[R, M]` bool.
        log_chances: `[M]`, logarithm of each negative's chance to be among those drawn.
    """
    return ops.logsumexp(ops.where(valid, negative - log_chances, LOWEST), axis=1)


def mean_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the last axis of what is valid; 0 where nothing is."""
    weights = ops.cast(valid, values.dtype)
    return ops.sum(values * weights, axis=-1) / ops.maximum(ops.sum(weights, axis=-1), 1.0)
