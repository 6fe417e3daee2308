import numpy as np
import pytest

from kuberec.training.config import parse_config
from kuberec.training.data import TrainingData
from kuberec.training.families import load_family
from kuberec.training.trainer import new_model
from kuberec.training.validation import Validation
from tests.kuberec.builders import make_features


def test_ndcg_and_recall_of_hand_made_scores() -> None:
    # Vectors of length 1 and the bias: user a likes items in the order i4, i3, i2, i1; i1 is observed.
    features = make_features(
        [("a", "i1", 5.0, 1), ("b", "i2", 5.0, 1), ("b", "i3", 5.0, 1), ("b", "i4", 5.0, 1)],
        [("a", "i2", 5.0, 2), ("a", "i3", 5.0, 2), ("b", "i1", 1.0, 2)],
    )
    family = load_family("matrix_factorization")
    config = parse_config(family.config, {"embedding_size": 1, "half_life": None})
    users, items = np.array([[0.0], [1.0], [1.0]]), np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    whole = new_model(family, config, features, _weights(family, config, features, users, items))
    model = type(whole)(whole.name, config, whole.network, TrainingData.of(features, features.train, config))
    metrics = Validation(features.validation, 2).metrics(model)
    # Top 2 of a is i4, i3; the truth is i2, i3; b's only validation row is no positive.
    gain, ideal = 1 / np.log2(3), 1 / np.log2(2) + 1 / np.log2(3)
    assert metrics == {"ndcg@2": pytest.approx(gain / ideal), "recall@2": 0.5}


def _weights(family: object, config: object, features: object, users: object, items: object) -> list[object]:
    from kuberec.training.loop import build

    network = family.network(config, features.users, features.items)  # type: ignore[attr-defined]
    build(network, TrainingData.of(features, features.train, config))  # type: ignore[attr-defined, arg-type]
    shapes = {(3, 1): users, (5, 1): items}
    weights = [shapes.get(tuple(variable.shape), variable.numpy()) for variable in network.variables]
    weights[2] = np.zeros((5, 1))
    return weights
