from typing import Any, ClassVar

import numpy as np

from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.data import TrainingData
from kuberec.training.families import load_family
from kuberec.training.loop import TrainingLoop, build
from kuberec.training.trainer import fit
from tests.contracts import FamilyContract
from tests.kuberec.builders import make_features, taste_rows


class TestNeuMF(FamilyContract):
    family = "neumf"
    overrides: ClassVar = {"learning_rate": 0.03}
    # Factors and halves of 4 users and 5 items, item biases; layers 32 → 16; both outputs.
    parameters = (4 + 5) * (64 + 32) + 5 + (32 * 16 + 16) + 64 + 16
    ranks_by_user_features = False
    ranks_by_item_features = False


SETTINGS = {"embedding_size": 8, "hidden_sizes": [8, 4], "batch_size": 32, "learning_rate": 0.03, "dropout": 0}


def _network(**settings: object) -> tuple[Any, Any, TrainingData]:
    family, features = load_family("neumf"), make_features(taste_rows(users=20, items=20))
    config = parse_config(family.config, {**SETTINGS, **settings})
    data = TrainingData.of(features, features.train, config)
    network = family.network(config, features.users, features.items)
    build(network, data)
    return network, config, data


def test_the_perceptron_is_trained_beside_the_biases_of_the_factorization() -> None:
    network, config, data = _network(pretraining=1)
    factorization, perceptron = network.parts()
    TrainingLoop(factorization, config, data, 0).run_epoch(0)
    kept = [network.item_bias.embeddings.numpy(), network.user_factors.embeddings.numpy()]
    half = network.user_half.embeddings.numpy()
    assert kept[0].any() and factorization.is_dot_product
    TrainingLoop(perceptron, config, data, 0).run_epoch(0)
    np.testing.assert_array_equal(network.item_bias.embeddings, kept[0])
    np.testing.assert_array_equal(network.user_factors.embeddings, kept[1])
    assert not np.array_equal(network.user_half.embeddings, half)


def test_joined_parts_are_weighed() -> None:
    network, _, data = _network(pretraining=1, factors_share=0.75)
    index = np.arange(1, 6, dtype=np.int32)
    items = network.encode_items(data.item_inputs(index))
    first, second = (
        part.interact(part.encode_users(data.user_inputs(index)), part.encode_items(data.item_inputs(index)))
        for part in network.parts()
    )
    network.join_parts()
    joined = network.interact(network.encode_users(data.user_inputs(index)), items)
    np.testing.assert_allclose(joined, 0.75 * first + 0.25 * second, rtol=1e-4, atol=1e-6)


def test_pretraining_gives_a_head_start() -> None:
    rows = taste_rows(users=60, items=30)
    features = make_features(rows[::2], rows[1::2])
    family = load_family("neumf")

    def first_loss(pretraining: int) -> float:
        config = parse_config(family.config, {**SETTINGS, "epochs": 1, "pretraining": pretraining})
        return fit(family, config, features, TrainingRun()).history[0]["loss"]

    assert first_loss(8) < first_loss(0)


def test_joined_parts_are_tuned_at_a_share_of_the_learning_rate() -> None:
    def moved(**settings: object) -> float:
        network, config, data = _network(embedding_size=8, batch_size=10_000, regularization=0, **settings)
        before = network.user_factors.embeddings.numpy()
        TrainingLoop(network, config, data, 0).run_epoch(0)
        return float(np.abs(network.user_factors.embeddings.numpy() - before).max())

    # The first step of Adam is as long as its learning rate.
    assert np.isclose(moved(pretraining=1, fine_tuning=0.1), 0.003, rtol=0.01)
    assert np.isclose(moved(pretraining=0, fine_tuning=0.1), 0.03, rtol=0.01)
