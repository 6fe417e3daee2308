"""The loop of the families that are solved for: each pass is one candidate's solution."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from kuberec.training.data import TrainingData
from kuberec.training.loop import build


class SolvingLoop:
    """Solves a network on one part of the data, once a candidate.

    Args:
        network: A `RetrievalNetwork` that is a `ClosedForm` too.
        candidates: Hyperparameters, one solution each.
        data: What to learn from.
        seed: Of everything random.
    """

    def __init__(self, network: Any, candidates: Sequence[Mapping[str, Any]], data: TrainingData, seed: int) -> None:
        self.network, self.candidates, self.data, self.seed = network, candidates, data, seed
        build(network, data)

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything that a checkpoint must hold."""
        return [variable.value for variable in self.network.variables]

    @cached_property
    def statistics(self) -> Any:
        """What all candidates are solved from."""
        return self.network.statistics(self.data)

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Solve for the candidate of that number.

        Returns:
            The candidate's hyperparameters.
        """
        candidate = self.candidates[epoch]
        self.network.solve(self.statistics, candidate, self.seed)
        return dict(candidate)
