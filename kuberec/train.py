"""The step `train`: fit one family on the features and keep it as an artifact."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json
from kuberec.errors import ArtifactError

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
    seed: int = 0,
    checkpoints: Path | str | None = None,
    k: int = 10,
) -> Manifest:
    """Train a model family.

    Args:
        features: The output of `featurize`.
        output: Folder for the model: `model.json`, `weights.npz`, `validation.json`, `history.json`, `tensorboard/`.
        family: Name of a folder in `models/`.
        overrides: Hyperparameters that differ from the family's defaults.
        seed: Of everything random.
        checkpoints: A folder that survives a killed run; a new run with the same arguments resumes there.
        k: Cutoff of the validation metrics.

    Raises:
        ModelError: No such family, or the loss became infinite or NaN.
        ConfigError: A hyperparameter is unknown, mistyped or out of range.
        DataError: No positive to learn from.
    """
    import numpy as np

    from kuberec.features import load_features
    from kuberec.training.config import TrainingRun, parse_config
    from kuberec.training.families import load_family
    from kuberec.training.trainer import fit

    chosen = load_family(family)
    config = parse_config(chosen.config, overrides or {})
    loaded = load_features(features)
    with new_artifact(output, "model", parents={"features": Path(features)}, seed=seed, unhashed=[LOGS]) as made:
        folder, manifest = made
        run = TrainingRun(seed, Path(checkpoints) if checkpoints else None, folder / LOGS, k)
        training = fit(chosen, config, loaded, run)
        weights = {str(n): variable.numpy() for n, variable in enumerate(training.model.network.variables)}
        np.savez(folder / WEIGHTS_FILE, **weights)
        write_json(folder / MODEL_FILE, {"family": family, "hyperparameters": config.model_dump(mode="json")})
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
        ArtifactError: The model was trained on other features.
    """
    import numpy as np

    from kuberec.training.config import parse_config
    from kuberec.training.families import load_family
    from kuberec.training.trainer import new_model

    folder = Path(folder)
    trained_on = read_manifest(folder).parents["features"]
    if trained_on != features.content_hash:
        raise ArtifactError(
            f"{folder} was trained on the features {trained_on[:12]}, these are {features.content_hash[:12]}. "
            "Name the features that it was trained on, or train again."
        )
    stored = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    family = load_family(stored["family"])
    config = parse_config(family.config, stored["hyperparameters"])
    with np.load(folder / WEIGHTS_FILE) as weights:
        return new_model(family, config, features, [weights[str(n)] for n in range(len(weights.files))])
