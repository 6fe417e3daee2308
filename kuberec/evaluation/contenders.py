"""Everything that is judged: the models, the baselines and the champion, made one at a time to bound memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, count
from pathlib import Path
from typing import Any

from kuberec.baselines import fit_baseline
from kuberec.errors import ArtifactError, ConfigError
from kuberec.evaluation.champion import ServedModel, local_folder
from kuberec.features import Features
from kuberec.recommender import Recommender
from kuberec.train import MODEL_FILE, VALIDATION_FILE, load_model

CHOOSING_METRIC = "ndcg@"
RESERVED = (ServedModel.name, "split", "features")
"""Names that an evaluation gives to others than models."""


class Role(StrEnum):
    """What a contender is in an evaluation."""

    MODEL = "model"
    BASELINE = "baseline"
    CHAMPION = "champion"


@dataclass(frozen=True)
class Contender:
    """A recommender with its role, its hyperparameters, where they are known, and its name, which no other one has."""

    name: str
    role: Role
    parameters: Mapping[str, Any]
    recommender: Recommender


@dataclass(frozen=True)
class TrainedModel:
    """What a model's folder says of it before it is loaded: where it is, and its worth on the validation part."""

    name: str
    folder: Path
    metric: str
    value: float
    parameters: Mapping[str, Any]


def read_models(folders: Sequence[Path | str]) -> list[TrainedModel]:
    """Read what `train` wrote of each model; a name that is taken already gets a number behind it.

    Raises:
        ArtifactError: A folder holds no model or no validation metric.
        ConfigError: The models were validated by different metrics.
    """
    models: list[TrainedModel] = []
    for folder in map(Path, folders):
        model, validation = _read_json(folder / MODEL_FILE), _read_json(folder / VALIDATION_FILE)
        metric = next((name for name in sorted(validation) if name.startswith(CHOOSING_METRIC)), None)
        if metric is None:
            raise ArtifactError(f"{folder / VALIDATION_FILE} has no {CHOOSING_METRIC}k, got {sorted(validation)}.")
        name = _free_name(model["family"], [*RESERVED, *(other.name for other in models)])
        models.append(TrainedModel(name, folder, metric, validation[metric], model.get("hyperparameters", {})))
    if len(metrics := sorted({model.metric for model in models})) > 1:
        raise ConfigError(f"the models were validated by different metrics, {metrics}. Train them with the same k.")
    return models


def baseline_name(name: str) -> str:
    """A baseline's name in an evaluation; a family's name has no colon, so a model of the same name has another."""
    return f"{Role.BASELINE}:{name}"


def contenders(
    models: Sequence[TrainedModel], baselines: Sequence[str], champion: str, features: Features, k: int, seed: int
) -> Iterator[Contender]:
    """Models, then baselines fitted with `k` and `seed`, then the champion at its folder or URI if there is one."""
    for model in models:
        yield Contender(model.name, Role.MODEL, model.parameters, load_model(model.folder, features))
    for name in baselines:
        baseline = fit_baseline(name, features, k=k, seed=seed)
        yield Contender(baseline_name(name), Role.BASELINE, baseline.parameters, baseline)
    if champion:
        with local_folder(champion) as folder:
            yield Contender(ServedModel.name, Role.CHAMPION, {}, ServedModel(folder, features))


def _free_name(family: str, taken: Sequence[str]) -> str:
    numbered = chain([family], (f"{family}_{number}" for number in count(2)))
    return next(name for name in numbered if name not in taken)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing: {path.parent} is no output of `train`.") from None
