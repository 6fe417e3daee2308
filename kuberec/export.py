"""The step `export`: a trained model as a SavedModel that the unmodified TensorFlow Serving runs."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json, write_text
from kuberec.features import TITLES_FILE, load_features
from kuberec.train import VALIDATION_FILE, load_model

if TYPE_CHECKING:
    from kuberec.retrieval.choice import Choice, IndexSettings
    from kuberec.retrieval.ivf import InvertedFile
    from kuberec.training.fitted import FittedModel

CARD_FILE = "model_card.md"
WARMUP_IDS = 32
# TensorFlow puts a random number into this file, which nothing reads.
FINGERPRINT = "fingerprint.pb"


def export(
    model: Path | str, features: Path | str, output: Path | str, index: "IndexSettings | None" = None
) -> Manifest:
    """Export a trained model to the SavedModel contract.

    Args:
        model: The output of `train`.
        features: The features that it was trained on.
        output: Folder for the version: `saved_model.pb`, `variables/`, `assets.extra/` with warm-up requests, the
            items' titles and how the items are searched (`retrieval.json`), `model_card.md`.
        index: When the items get an index; None for the defaults of `IndexSettings`.

    Raises:
        ArtifactError: The model was trained on other features.
    """
    import tensorflow as tf

    from kuberec.exporting.card import model_card
    from kuberec.exporting.graph import ServingGraph
    from kuberec.exporting.signatures import signatures
    from kuberec.exporting.warmup import EXTRA, WARMUP_FILE, write_warmup
    from kuberec.retrieval.choice import RETRIEVAL_FILE, IndexSettings

    loaded = load_features(features)
    fitted = load_model(model, loaded)
    parents = {"model": Path(model), "features": Path(features)}
    with new_artifact(output, "export", parents=parents, unhashed=[FINGERPRINT]) as (folder, manifest):
        choice, searched = _choose(fitted, index or IndexSettings())
        graph = ServingGraph(fitted, searched)
        tf.saved_model.save(graph, str(folder), signatures=signatures(graph))
        users, items = _popular_ids(fitted)
        write_warmup(folder / EXTRA / WARMUP_FILE, fitted.name, users, items)
        write_json(folder / EXTRA / RETRIEVAL_FILE, asdict(choice))
        titles = Path(features) / TITLES_FILE
        if titles.exists():
            shutil.copyfile(titles, folder / EXTRA / TITLES_FILE)
        validation = json.loads((Path(model) / VALIDATION_FILE).read_text(encoding="utf-8"))
        card = model_card(fitted, loaded.spec, read_manifest(model).seed, validation)
        write_text(folder / CARD_FILE, card)
        manifest.facts = {"family": fitted.name, "items": len(loaded.items) - 1, "users": len(loaded.users) - 1}
    return read_manifest(output)


def _choose(model: "FittedModel", settings: "IndexSettings") -> "tuple[Choice, InvertedFile | None]":
    """How the items are searched, measured with users drawn from those who have a taste."""
    from kuberec.retrieval.choice import Choice, choose

    n_items = len(model.data.items) - 1
    if not model.network.is_dot_product:
        reason = "the score is no product of vectors"
        return Choice("exact", reason, n_items, settings.least_recall, settings.seed), None
    users = np.flatnonzero(model.personal)
    drawn = np.random.default_rng(settings.seed).choice(users, min(settings.queries, len(users)), replace=False)
    queries = model.user_vectors(drawn)[:, :-1]
    return choose(model.item_vectors[:, :-1], queries, settings)


def _popular_ids(model: "FittedModel") -> tuple[list[str], list[str]]:
    """The users and items with most positives, to warm up with."""
    users = np.bincount(model.data.positives.user, minlength=len(model.data.users))
    return (
        [str(model.data.users.ids[n]) for n in np.argsort(-users, kind="stable")[:WARMUP_IDS]],
        [str(model.data.items.ids[n]) for n in np.argsort(-model.data.item_counts, kind="stable")[:WARMUP_IDS]],
    )
