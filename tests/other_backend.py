"""Run a family's towers on JAX: `KERAS_BACKEND=jax python -m tests.other_backend FAMILY WEIGHTS VECTORS`."""

import sys
from dataclasses import replace

import keras
import numpy as np

from kuberec.features import FeatureInfo, Features
from kuberec.schema import FeatureType
from kuberec.training.families import load_family
from tests.kuberec.builders import make_features

ROWS = [("a", "w", 5.0, 1), ("b", "x", 5.0, 2), ("c", "y", 5.0, 3), ("c", "z", 5.0, 4)]
USERS = {"index": np.array([0, 1, 3], np.int32), "history": np.array([[0, 0], [1, 0], [4, 2]], np.int32)}
KINDS = np.array([0, 1, 2, 1, 2], np.int32)
ITEMS = {"index": np.array([0, 2, 4], np.int32), "kind": KINDS[[0, 2, 4]]}
NEEDS_ITEM_FEATURES = ("content_based",)


def small_features(family: str) -> Features:
    """Three users and four items; they have no features, but for a kind of each item where the family needs one."""
    features = make_features(ROWS)
    if family not in NEEDS_ITEM_FEATURES:
        return features
    infos = {"kind": FeatureInfo(FeatureType.CATEGORICAL, size=3)}
    return replace(features, items=replace(features.items, columns={"kind": KINDS}, infos=infos))


def main(family: str, weights: str, output: str) -> None:
    """Set the weights of file `weights`; save the vectors and scores of three users and items to file `output`."""
    features, chosen = small_features(family), load_family(family)
    network = chosen.network(chosen.config(), features.users, features.items)
    network(USERS, ITEMS)
    with np.load(weights) as stored:
        for number, variable in enumerate(network.variables):
            variable.assign(stored[str(number)])
    users, items = network.encode_users(USERS), network.encode_items(ITEMS)
    scores = network.cross(users, items)
    arrays = {"users": np.asarray(users), "items": np.asarray(items), "scores": np.asarray(scores)}
    np.savez(output, **arrays, backend=keras.backend.backend())


if __name__ == "__main__":
    main(*sys.argv[1:])
    assert "tensorflow" not in sys.modules
