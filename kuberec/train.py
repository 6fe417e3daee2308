"""The step `train`: fit one family on the features and keep it as an artifact."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json
from kuberec.seeds import check_seed

if TYPE_CHECKING:
    from kuberec.features import Features
    from kuberec.training.fitted import FittedModel

MODEL_FILE = "model.json"
VALIDATION_FILE = "validation.json"
HISTORY_FILE = "history.json"
WEIGHTS_FILE = "weights.npz"
LOGS = "tensorboard"

# Without this, TensorFlow writes a screen of start-up messages to stderr.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def train(
    features: Path | str,
    output: Path | str,
    *,
    family: str,
    overrides: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    seed: int = 0,
    checkpoints: Path | str | None = None,
    k: int = 10,
) -> Manifest:
    """Train a model family.

    Args:
        features: The output of `featurize`.
        output: Folder for the model: `model.json`, `weights.npz`, `validation.json`, `history.json`, `tensorboard/`,
            and the `features.json` that says which columns it was trained on.
        family: Name of a folder in `models/`.
        overrides: Hyperparameters that differ from the family's defaults.
        epochs: Most passes over the positives, for a family that makes passes; one that is solved for makes none, and
            this is nothing to it. None: as the overrides and the defaults have it.
        seed: Of everything random.
        checkpoints: A folder that survives a killed run; a new run with the same arguments resumes there.
        k: Cutoff of the validation metrics.

    Raises:
        ModelError: No such family, or the loss became infinite or NaN.
        ConfigError: A hyperparameter is unknown, mistyped or out of range, or the seed is.
        DataError: No positive to learn from.
    """
    import numpy as np

    from kuberec.features import FEATURES_FILE, load_features
    from kuberec.training.config import GradientConfig, TrainingRun, parse_config
    from kuberec.training.families import load_family
    from kuberec.training.trainer import fit

    check_seed(seed)
    chosen = load_family(family)
    limit = {} if epochs is None or not issubclass(chosen.config, GradientConfig) else {"epochs": epochs}
    config = parse_config(chosen.config, {**(overrides or {}), **limit})
    loaded = load_features(features)
    with new_artifact(output, "model", parents={"features": Path(features)}, seed=seed, unhashed=[LOGS]) as made:
        folder, manifest = made
        run = TrainingRun(seed, Path(checkpoints) if checkpoints else None, folder / LOGS, k)
        training = fit(chosen, config, loaded, run)
        weights = {str(n): variable.numpy() for n, variable in enumerate(training.model.network.variables)}
        np.savez(folder / WEIGHTS_FILE, **weights)
        shutil.copyfile(Path(features) / FEATURES_FILE, folder / FEATURES_FILE)
        write_json(folder / MODEL_FILE, {"family": family, "hyperparameters": training.config.model_dump(mode="json")})
        write_json(folder / VALIDATION_FILE, training.validation)
        write_json(folder / HISTORY_FILE, training.history)
        manifest.facts = {"family": family, "epochs": training.epochs, **training.validation}
    return read_manifest(output)


def load_model(folder: Path | str, features: "Features") -> "FittedModel":
    """Read a trained model.

    Args:
        folder: The output of `train`.
        features: The features that it was trained on.

    Raises:
        ArtifactError: The model was trained on other features; the columns that changed are named.
        ModelError: Its weights do not fit the family's network.
    """
    import numpy as np

    from kuberec.feature_changes import require_same_features
    from kuberec.training.config import parse_config
    from kuberec.training.families import load_family
    from kuberec.training.trainer import new_model

    folder = Path(folder)
    require_same_features(folder, features)
    stored = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    family = load_family(stored["family"])
    config = parse_config(family.config, stored["hyperparameters"])
    with np.load(folder / WEIGHTS_FILE) as weights:
        return new_model(family, config, features, [weights[str(n)] for n in range(len(weights.files))])
