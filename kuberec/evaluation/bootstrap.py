"""Confidence intervals by resampling users: percentile bootstrap of means and of paired differences."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
DIGITS = 6
CELLS = 1 << 22
"""Greatest number of cells of a block of resampling weights: 32 MiB."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over users with its percentile interval."""

    mean: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Rounded to six digits, so that the last bits of a sum do not change an artifact's hash."""
        return {name: round(value, DIGITS) for name, value in asdict(self).items()}


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of every column over users drawn with replacement.

    All columns share each drawing of users, so the difference of two columns' means is a paired one.

    Args:
        values: `[users, columns]`, no NaN, at least one user.
        resamples: Number of drawings.
        seed: Seed of the drawings.

    Returns:
        `[resamples, columns]`. 1000 resamples of 6,040 users take about 0.1 s; memory is bounded by `CELLS`.
    """
    users = len(values)
    rng = np.random.default_rng(seed)
    block = max(1, min(resamples, CELLS // users))
    means = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = (np.bincount(rng.integers(users, size=users), minlength=users) for _ in range(rows))
        weights = np.stack(list(drawn)).astype(np.float64)
        means[start : start + rows] = weights @ values / users
    return means


def interval(values: Floats, resampled: Floats) -> Interval:
    """The mean of `values` with the percentile interval of its resampled means."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))
