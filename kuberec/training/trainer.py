"""Fit a family: find the number of passes on the validation part, then train on everything observed."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from kuberec.errors import ModelError
from kuberec.features import EncodedInteractions, Features
from kuberec.progress import progress_bars
from kuberec.training.checkpoints import Checkpoints
from kuberec.training.checkpoints import Progress as PhaseProgress
from kuberec.training.config import ClosedFormConfig, FamilyConfig, GradientConfig, TrainingRun
from kuberec.training.data import TrainingData
from kuberec.training.families import Family
from kuberec.training.fitted import FittedModel
from kuberec.training.loop import TrainingLoop, build
from kuberec.training.solving import SolvingLoop
from kuberec.training.trend import with_half_life
from kuberec.training.validation import Validation

SEARCH = "search"
REFIT = "refit"

Report = Callable[[PhaseProgress], None]


@dataclass(frozen=True)
class Training:
    """What came of a training.

    Attributes:
        model: The model fitted on train and validation together.
        config: The hyperparameters as they were used; what was left to the data is decided.
        epochs: Passes that the validation part chose.
        validation: The validation metrics at that point, measured before the validation part was learned.
        history: One record a pass of the search: epoch, loss, metrics.
    """

    model: FittedModel
    config: FamilyConfig
    epochs: int
    validation: dict[str, float]
    history: list[dict[str, float]]


def fit(family: Family, config: FamilyConfig, features: Features, run: TrainingRun) -> Training:
    """Train a family with early stopping, then refit it on train and validation for as many passes.

    The same features, configuration and seed give the same weights on the same kind of machine, also when the run was
    killed and resumed.

    Raises:
        DataError: No positive to learn from.
        ModelError: The loss became infinite or NaN.
    """
    config = with_half_life(config, features, run.k)
    checkpoints = Checkpoints(run.checkpoints and run.checkpoints / _key(family, config, features, run))
    search = Phase(family, config, features, features.train, run, checkpoints)
    validation = Validation(features.validation, run.k)
    refit = Phase(family, config, features, features.observed, run, checkpoints)
    if isinstance(config, GradientConfig):
        progress = search.run(SEARCH, config.epochs, config.patience, validation)
        chosen = progress.best_epoch if config.patience else config.epochs
        refit.run(REFIT, chosen)
    else:
        progress = search.run(SEARCH, len(search.loop.candidates), None, validation)
        chosen = progress.best_epoch
        refit.loop.candidates = search.loop.candidates[chosen - 1 :]
        refit.run(REFIT, 1)
    checkpoints.clear()
    metrics = {name: value for name, value in progress.history[chosen - 1].items() if "@" in name}
    return Training(refit.model(), config, chosen, metrics, progress.history)


class Phase:
    """One network trained on one part of the data."""

    def __init__(
        self,
        family: Family,
        config: FamilyConfig,
        features: Features,
        interactions: EncodedInteractions,
        run: TrainingRun,
        checkpoints: Checkpoints,
    ) -> None:
        keras.utils.set_random_seed(run.seed)
        self.family, self.config, self.run_options, self.checkpoints = family, config, run, checkpoints
        self.data = TrainingData.of(features, interactions, config)
        self.network = family.network(config, features.users, features.items)
        self.loop = _loop(self.network, config, self.data, run.seed)

    def run(
        self, phase: str, epochs: int, patience: int | None = None, validation: Validation | None = None
    ) -> PhaseProgress:
        """Pass over the data until `epochs`, or until `patience` passes brought no better validation metric."""
        progress = self.checkpoints.restore(phase, self.loop.variables)
        if not progress.epoch:
            self._pretrain(phase)

        def judged() -> dict[str, float]:
            return validation.metrics(self.model()) if validation else {}

        return self._passes(phase, self.loop, progress, epochs, patience, judged)

    def _pretrain(self, phase: str) -> None:
        """Train the network's parts one by one, where it has any; see `RetrievalNetwork.parts`."""
        for number, part in enumerate(self.network.parts(), 1):
            loop, name = _loop(part, self.config, self.data, self.run_options.seed), f"{phase}-part-{number}"
            progress = self.checkpoints.restore(name, loop.variables)
            self._passes(name, loop, progress, self.network.pretraining)
        if self.network.pretraining:
            self.network.join_parts()

    def _passes(
        self,
        name: str,
        loop: Any,
        progress: PhaseProgress,
        epochs: int,
        patience: int | None = None,
        judged: Callable[[], dict[str, float]] = dict,
    ) -> PhaseProgress:
        saved = time.monotonic()
        with _shown(f"{self.family.name} {name}", epochs) as show, _summaries(self.run_options.logs, name) as write:
            while progress.epoch < epochs and not _stale(progress, patience):
                record = loop.run_epoch(progress.epoch) | judged()
                _advance(progress, record, f"ndcg@{self.run_options.k}")
                show(progress)
                write(progress)
                if time.monotonic() - saved >= self.run_options.checkpoint_seconds:
                    self.checkpoints.save(name, progress, loop.variables)
                    saved = time.monotonic()
        self.checkpoints.save(name, progress, loop.variables)
        return progress

    def model(self) -> FittedModel:
        """The network as it now is, bound to the phase's data."""
        return FittedModel(self.family.name, self.config, self.network, self.data)


def _loop(network: Any, config: FamilyConfig, data: TrainingData, seed: int) -> Any:
    if isinstance(config, ClosedFormConfig):
        return SolvingLoop(network, config.candidates, data, seed)
    assert isinstance(config, GradientConfig)
    return TrainingLoop(network, config, data, seed)


def new_model(family: Family, config: FamilyConfig, features: Features, weights: Sequence[Any]) -> FittedModel:
    """A model of a family with the given weights, in the order of its network's variables.

    Raises:
        ModelError: The weights do not fit the network.
    """
    data = TrainingData.of(features, features.observed, config)
    network = family.network(config, features.users, features.items)
    build(network, data)
    expected, got = [tuple(variable.shape) for variable in network.variables], [np.shape(value) for value in weights]
    if expected != got:
        raise ModelError(
            f"the weights do not fit {family.name}: shapes {expected} were expected, got {got}. They are of other "
            "features or of another version of Kuberec; train again."
        )
    for variable, value in zip(network.variables, weights, strict=True):
        variable.assign(value)
    return FittedModel(family.name, config, network, data)


def _advance(progress: PhaseProgress, record: dict[str, float], metric: str) -> None:
    progress.epoch += 1
    progress.history.append({"epoch": progress.epoch, **record})
    if record.get(metric, 0.0) > progress.best_metric:
        progress.best_metric, progress.best_epoch = record.get(metric, 0.0), progress.epoch


def _stale(progress: PhaseProgress, patience: int | None) -> bool:
    return patience is not None and progress.epoch - progress.best_epoch >= patience


def _key(family: Family, config: FamilyConfig, features: Features, run: TrainingRun) -> str:
    """Names a run's checkpoints: another dataset, configuration or seed never finds them."""
    options = replace(run, checkpoints=None, logs=None, checkpoint_seconds=0)
    text = f"{family.name}\n{config.model_dump_json()}\n{features.content_hash}\n{options}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def _shown(label: str, epochs: int) -> Iterator[Report]:
    """A progress bar on a terminal or in a notebook, a line a pass elsewhere, as in the log of a pod."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress_bars(*columns) as bar:
        task = bar.add_task(label, total=epochs)

        def show(progress: PhaseProgress) -> None:
            numbers = " ".join(f"{name} {value:.4f}" for name, value in progress.history[-1].items() if name != "epoch")
            bar.update(task, completed=progress.epoch, description=f"{label} {numbers}")
            if bar.disable:
                print(f"{label} {progress.epoch}/{epochs} {numbers}", file=sys.stderr, flush=True)

        yield show


@contextmanager
def _summaries(logs: Path | None, phase: str) -> Iterator[Report]:
    """Scalars for TensorBoard, one point a pass."""
    writer = tf.summary.create_file_writer(str(logs / phase)) if logs else tf.summary.create_noop_writer()

    def write(progress: PhaseProgress) -> None:
        with writer.as_default():
            for name, value in progress.history[-1].items():
                tf.summary.scalar(name.replace("@", "_at_"), value, step=progress.epoch)

    yield write
    writer.close()
