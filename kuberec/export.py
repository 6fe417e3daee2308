"""The step `export`: a trained model as a SavedModel that the unmodified TensorFlow Serving runs."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_text
from kuberec.features import TITLES_FILE, load_features
from kuberec.train import VALIDATION_FILE, load_model

if TYPE_CHECKING:
    from kuberec.training.fitted import FittedModel

CARD_FILE = "model_card.md"
WARMUP_IDS = 32
# TensorFlow puts a random number into this file, which nothing reads.
FINGERPRINT = "fingerprint.pb"


def export(model: Path | str, features: Path | str, output: Path | str) -> Manifest:
    """Export a trained model to the SavedModel contract.

    Args:
        model: The output of `train`.
        features: The features that it was trained on.
        output: Folder for the version: `saved_model.pb`, `variables/`, `assets.extra/` with warm-up requests and the
            items' titles, `model_card.md`.

    Raises:
        ArtifactError: The model was trained on other features.
    """
    import tensorflow as tf

    from kuberec.exporting.card import model_card
    from kuberec.exporting.graph import ServingGraph
    from kuberec.exporting.signatures import signatures
    from kuberec.exporting.warmup import EXTRA, WARMUP_FILE, write_warmup

    loaded = load_features(features)
    fitted = load_model(model, loaded)
    parents = {"model": Path(model), "features": Path(features)}
    with new_artifact(output, "export", parents=parents, unhashed=[FINGERPRINT]) as (folder, manifest):
        graph = ServingGraph(fitted)
        tf.saved_model.save(graph, str(folder), signatures=signatures(graph))
        users, items = _popular_ids(fitted)
        write_warmup(folder / EXTRA / WARMUP_FILE, fitted.name, users, items)
        titles = Path(features) / TITLES_FILE
        if titles.exists():
            shutil.copyfile(titles, folder / EXTRA / TITLES_FILE)
        validation = json.loads((Path(model) / VALIDATION_FILE).read_text(encoding="utf-8"))
        card = model_card(fitted, loaded.spec, read_manifest(model).seed, validation)
        write_text(folder / CARD_FILE, card)
        manifest.facts = {"family": fitted.name, "items": len(loaded.items) - 1, "users": len(loaded.users) - 1}
    return read_manifest(output)


def _popular_ids(model: "FittedModel") -> tuple[list[str], list[str]]:
    """The users and items with most positives, to warm up with."""
    users = np.bincount(model.data.positives.user, minlength=len(model.data.users))
    return (
        [str(model.data.users.ids[n]) for n in np.argsort(-users, kind="stable")[:WARMUP_IDS]],
        [str(model.data.items.ids[n]) for n in np.argsort(-model.data.item_counts, kind="stable")[:WARMUP_IDS]],
    )
