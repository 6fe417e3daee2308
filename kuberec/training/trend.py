"""How fast what is popular changes: chosen by how well popularity alone ranks the validation part."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kuberec.features import Features
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

    def rank(self, user: npt.NDArray[Any], k: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Items `[B, k]` by index, 0 where nothing is left, and their recent counts `[B, k]`."""
        known = self.data.interactions
        taken = np.bincount(known.user, minlength=len(self.data.users))
        width = min(k + int(taken[user].max(initial=0)), len(self.order))
        row = np.full(len(self.data.users), -1)
        row[user] = np.arange(len(user))
        place = self.place[known.item - 1]
        shown = (row[known.user] >= 0) & (place < width)
        mask = np.zeros((len(user), width), dtype=bool)
        mask[row[known.user[shown]], place[shown]] = True
        first = np.argsort(mask, axis=1, kind="stable")[:, :k]
        items = np.where(np.take_along_axis(mask, first, axis=1), 0, self.order[first])
        return items, self.data.recent_counts[items]
