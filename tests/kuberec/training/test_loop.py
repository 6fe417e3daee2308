import numpy as np
import pytest
import tensorflow as tf

from kuberec.errors import ModelError
from kuberec.training.config import FamilyConfig, parse_config
from kuberec.training.data import TrainingData
from kuberec.training.families import load_family
from kuberec.training.loop import TrainingLoop
from tests.kuberec.builders import make_features, taste_rows


def _loop(seed: int = 0, **settings: object) -> TrainingLoop:
    family = load_family("matrix_factorization")
    config: FamilyConfig = parse_config(family.config, {"embedding_size": 4, "batch_size": 32} | settings)
    features = make_features(taste_rows(users=20, items=20, each=10))
    data = TrainingData.of(features, features.train, config)
    return TrainingLoop(family.network(config, features.users, features.items), config, data, seed)


def test_an_epoch_sees_every_positive_once() -> None:
    loop = _loop()
    rows = []
    for step in range(loop.steps_per_epoch):
        positions, inside = loop._rows(tf.constant(2), tf.constant(step))
        rows += positions.numpy()[inside.numpy() > 0].tolist()
    assert sorted(rows) == list(range(loop.data.n_positives))
    assert rows != sorted(rows)


def test_epochs_come_in_another_order() -> None:
    loop = _loop()
    first, second = (loop._rows(tf.constant(epoch), tf.constant(0))[0].numpy().tolist() for epoch in (0, 1))
    assert first != second


def test_the_loss_falls() -> None:
    loop = _loop(learning_rate=0.05)
    losses = [loop.run_epoch(epoch) for epoch in range(8)]
    assert losses[-1] < 0.8 * losses[0]


def test_first_loss_is_that_of_a_uniform_guess() -> None:
    loop = _loop(learning_rate=1e-9, dropout=0, regularization=0)
    assert loop.run_epoch(0) == pytest.approx(np.log(loop.data.n_known), abs=0.01)


def test_a_diverging_loss_is_an_error() -> None:
    loop = _loop()
    loop.trained[0].assign(tf.fill(loop.trained[0].shape, float("nan")))
    with pytest.raises(ModelError, match="learning_rate"):
        loop.run_epoch(0)
