import keras
import numpy as np
import pytest
import tensorflow as tf

from kuberec.errors import ModelError
from kuberec.training.config import GradientConfig, parse_config
from kuberec.training.data import TrainingData
from kuberec.training.families import load_family
from kuberec.training.loop import TrainingLoop
from tests.kuberec.builders import make_features, taste_rows


def _loop(seed: int = 0, **settings: object) -> TrainingLoop:
    family = load_family("matrix_factorization")
    config = parse_config(family.config, {"embedding_size": 4, "batch_size": 32} | settings)
    assert isinstance(config, GradientConfig)
    features = make_features(taste_rows(users=20, items=20, each=10))
    data = TrainingData.of(features, features.train, config)
    keras.utils.set_random_seed(seed)
    return TrainingLoop(family.network(config, features.users, features.items), config, data, seed)


@pytest.mark.parametrize("loss", ["softmax", "logistic", "bpr", "hinge", "warp"])
def test_the_loss_falls(loss: str) -> None:
    loop = _loop(learning_rate=0.05, loss=loss, n_negatives=8, dropout=0, regularization=0)
    losses = [loop.run_epoch(epoch)["loss"] for epoch in range(16)]
    assert losses[-1] < 0.8 * losses[0]


def test_first_loss_is_that_of_a_uniform_guess() -> None:
    loop = _loop(learning_rate=1e-9, dropout=0, regularization=0)
    assert loop.run_epoch(0)["loss"] == pytest.approx(np.log(loop.data.n_known), abs=0.01)


def test_a_diverging_loss_is_an_error() -> None:
    loop = _loop()
    loop.trained[0].assign(tf.fill(loop.trained[0].shape, float("nan")))
    with pytest.raises(ModelError, match="learning_rate"):
        loop.run_epoch(0)


def test_an_epoch_depends_on_the_weights_the_seed_and_its_number_alone() -> None:
    unbroken, resumed = _loop(seed=3, n_negatives=8, dropout=0), _loop(seed=3, n_negatives=8, dropout=0)
    unbroken.run_epoch(0)
    for ours, theirs in zip(resumed.variables, unbroken.variables, strict=True):
        ours.assign(theirs)
    assert resumed.run_epoch(1) == unbroken.run_epoch(1)
    for ours, theirs in zip(resumed.variables, unbroken.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_another_seed_draws_other_negatives() -> None:
    loop = _loop(learning_rate=1e-9, loss="bpr", comparisons=2, dropout=0)
    first = loop.run_epoch(0)
    loop.seed = 1
    assert loop.run_epoch(0) != first
