"""How fast what is popular changes: chosen by how well popularity alone ranks the validation part."""

import numpy as np

from kuberec.features import Features
from kuberec.recommender import Array
from kuberec.training.config import AUTO, Config
from kuberec.training.data import TrainingData
from kuberec.training.validation import Validation

HALF_LIVES = (None, 0.5, 0.2, 0.1, 0.05, 0.02)
"""What is tried; of equally good ones the first is taken."""


def with_half_life(config: Config, features: Features, k: int) -> Config:
    """The configuration with a number, or None, for the half-life, where it leaves the choice to the data."""
    if config.half_life != AUTO:
        return config
    candidates = [config.model_copy(update={"half_life": half_life}) for half_life in HALF_LIVES]
    if not features.spec.times_are_comparable:
        return candidates[0]
    validation = Validation(features.validation, k)

    def quality(candidate: Config) -> float:
        popular = Popular(TrainingData.of(features, features.train, candidate))
        return validation.metrics(popular)[f"ndcg@{k}"]

    return max(candidates, key=quality)


class Popular:
    """Ranks what is popular of late for each user, without what the user was observed with.

    Args:
        data: Its recent counts are the popularity, its interactions are left out.
    """

    def __init__(self, data: TrainingData) -> None:
        self.data = data
        self.order = np.argsort(-data.recent_counts[1:], kind="stable") + 1
        self.place = np.argsort(self.order)

    def rank(self, user: Array, k: int) -> tuple[Array, Array]:
        """Items `[B, k]` by index, 0 where nothing is left, and their recent counts `[B, k]`."""
        observed = self.data.observed[user]
        # Nobody needs more than the most popular k and as many again as they took.
        width = min(k + int(np.diff(observed.indptr).max(initial=0)), len(self.order))
        row, item = observed.nonzero()
        place = self.place[item - 1]
        taken = np.zeros((len(user), width), dtype=bool)
        taken[row[place < width], place[place < width]] = True
        first = np.argsort(taken, axis=1, kind="stable")[:, :k]
        items = np.where(np.take_along_axis(taken, first, axis=1), 0, self.order[first])
        return items, self.data.recent_counts[items]
