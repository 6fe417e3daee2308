"""The losses of a step by every path, against the same computed directly."""

import numpy as np
import pytest
import tensorflow as tf

from kuberec.training.config import GradientConfig, parse_config
from kuberec.training.data import Array, Step, StepData, TrainingData
from kuberec.training.families import load_family
from kuberec.training.loop import build
from kuberec.training.network import RetrievalNetwork
from kuberec.training.objective import Objective, catalogue_softmax
from tests.kuberec.builders import make_features, taste_rows

PLAIN = {"embedding_size": 4, "batch_size": 32, "dropout": 0, "regularization": 0}


def _objective(family_name: str = "matrix_factorization", **settings: object) -> Objective:
    """Over 20 items, with weights large enough for scores that differ."""
    family = load_family(family_name)
    config = parse_config(family.config, PLAIN | settings)
    assert isinstance(config, GradientConfig)
    features = make_features(taste_rows(users=20, items=20, each=10))
    data = TrainingData.of(features, features.train, config)
    network = family.network(config, features.users, features.items)
    assert isinstance(network, RetrievalNetwork)
    build(network, data)
    for number, weight in enumerate(network.trainable_variables):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    steps = StepData(data, config, network.uses_history)
    steps.shuffle(0, 0)
    return Objective(network, config, steps)


def _step(objective: Objective, seed: int = 0) -> Step:
    return objective.data.step(tf.constant(0), tf.constant([0, seed]))


def _scores(objective: Objective, step: Step) -> tuple[Array, Array]:
    """Scores of the positives `[P]`, and of all items `[P, items + 1]` for their users."""
    network, data = objective.network, objective.data
    users = network.encode_users(data.user_inputs(step)).numpy()[step.row.numpy()]
    every = users @ network.encode_items(data.item_inputs(tf.range(data.n_items))).numpy().T
    return every[np.arange(len(every)), step.item.numpy()], every


def _negatives(objective: Objective, step: Step) -> list[Array]:
    """The items that each positive is to be compared with: those drawn, each once, without those of its group."""
    places, _ = objective.data.negatives(step)
    drawn = np.unique(objective.data.known_items.numpy()[places.numpy()])
    row, item = step.row.numpy(), step.item.numpy()
    return [np.setdiff1d(drawn, item[row == group]) for group in row]


def test_catalogue_softmax_is_cross_entropy_in_value_and_gradient() -> None:
    every = tf.Variable(np.random.default_rng(0).normal(size=(3, 5)), dtype=tf.float32)
    row, place = tf.constant([0, 0, 1, 2, 2]), tf.constant([1, 4, 0, 3, 3])
    upstream = tf.constant([1.0, -2.0, 0.5, 3.0, 0.25])
    with tf.GradientTape(persistent=True) as tape:
        ours = catalogue_softmax(every, row, place)
        theirs = tf.nn.sparse_softmax_cross_entropy_with_logits(place, tf.gather(every, row))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(ours, every, upstream), tf.convert_to_tensor(tape.gradient(theirs, every, upstream)), atol=1e-6
    )


def test_catalogue_softmax_holds_for_large_scores() -> None:
    every = tf.Variable([[1e4, 0.0, -1e4]])
    with tf.GradientTape() as tape:
        losses = catalogue_softmax(every, tf.constant([0]), tf.constant([1]))
    assert losses.numpy().tolist() == [1e4]
    assert tape.gradient(losses, every).numpy().tolist() == [[1.0, -1.0, 0.0]]


def test_a_small_catalogue_gives_the_exact_softmax() -> None:
    objective = _objective(n_negatives=20, temperature=0.5)
    step = _step(objective)
    positive, every = _scores(objective, step)
    total = np.log(np.exp(every[:, 1:] / 0.5).sum(axis=1))  # all but the unknown item
    np.testing.assert_allclose(objective.losses(step), total - positive / 0.5, rtol=1e-4)


@pytest.mark.parametrize("family", ["neumf", "wide_deep"])
def test_the_exact_softmax_is_over_the_scores_of_the_network_also_where_they_are_no_dot_products(family: str) -> None:
    extra = {"id_dropout": 0} if family == "wide_deep" else {}
    objective = _objective(family, n_negatives=20, **extra)
    assert objective.exact
    step = _step(objective)
    network, data = objective.network, objective.data
    users = tf.gather(network.encode_users(data.user_inputs(step)), step.row)
    every = network.cross(users, network.encode_items(data.item_inputs(data.known_items))).numpy()
    positive = network.interact(users, network.encode_items(data.item_inputs(step.item))).numpy()
    np.testing.assert_allclose(objective.losses(step), np.log(np.exp(every).sum(axis=1)) - positive, rtol=1e-4)


def test_the_sampled_softmax_of_all_negatives_is_exact() -> None:
    objective = _objective(n_negatives=20, group_size=1)
    step = _step(objective)
    exact = objective.losses(step).numpy()
    objective.exact = False
    np.testing.assert_allclose(objective.losses(step), exact, rtol=1e-4)


@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
def test_the_sampled_softmax_sums_to_the_exact_one_in_expectation(negatives: str) -> None:
    objective = _objective(n_negatives=10, negatives=negatives, batch_size=4)
    assert not objective.exact
    positive, every = _scores(objective, _step(objective))

    @tf.function
    def losses(seed: tf.Tensor) -> tf.Tensor:
        return objective.losses(objective.data.step(tf.constant(0), seed))

    drawn = np.array([losses(tf.constant([0, seed])) for seed in range(3000)])
    summed = np.mean(np.expm1(drawn), axis=0) * np.exp(positive)  # of exp(score) over the negatives
    row, item = _step(objective).row.numpy(), _step(objective).item.numpy()
    own = [item[row == group] for group in row]
    expected = [np.exp(np.delete(scores, [0, *mine])).sum() for scores, mine in zip(every, own, strict=True)]
    np.testing.assert_allclose(summed, expected, rtol=0.1)


@pytest.mark.parametrize("n_negatives", [8, 20])
def test_logistic_weighs_the_mean_negative_against_the_positive(n_negatives: int) -> None:
    objective = _objective(loss="logistic", n_negatives=n_negatives, negative_weight=3.0)
    step = _step(objective)
    positive, every = _scores(objective, step)
    opposite = [
        np.mean(np.log1p(np.exp(scores[others])))
        for scores, others in zip(every, _negatives(objective, step), strict=True)
    ]
    expected = np.log1p(np.exp(-positive)) + 3.0 * np.array(opposite)
    np.testing.assert_allclose(objective.losses(step), expected, rtol=1e-4)


@pytest.mark.parametrize("negatives", ["uniform", "popularity", "in_batch"])
@pytest.mark.parametrize(("family", "settings"), [("matrix_factorization", {}), ("two_tower", {"id_dropout": 0})])
def test_reading_from_the_catalogue_and_encoding_the_step_alone_agree(
    family: str, settings: dict[str, object], negatives: str
) -> None:
    objective = _objective(family, loss="logistic", negatives=negatives, n_negatives=8, regularization=0.1, **settings)
    assert objective.small_catalogue
    step = _step(objective)
    read = _losses_and_gradients(objective, step)
    objective.small_catalogue = False
    for ours, theirs in zip(read, _losses_and_gradients(objective, step), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("negatives", ["uniform", "popularity", "in_batch"])
@pytest.mark.parametrize("loss", ["bpr", "hinge", "warp"])
def test_negatives_of_the_catalogue_and_of_the_step_agree_in_expectation(loss: str, negatives: str) -> None:
    objective = _objective(
        loss=loss, negatives=negatives, n_negatives=300, comparisons=30_000, regularization=0.1, batch_size=5
    )
    objective.data.all_negatives, objective.data.n_negatives = False, 30_000
    step = _step(objective)
    read = _losses_and_gradients(objective, step)
    objective.small_catalogue = False
    for ours, theirs in zip(read, _losses_and_gradients(objective, step), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.1)


def _losses_and_gradients(objective: Objective, step: Step) -> list[Array]:
    weights = [weight.value for weight in objective.network.trainable_variables]
    with tf.GradientTape() as tape:
        losses = objective.losses(step)
    return [losses.numpy(), *(tf.convert_to_tensor(part).numpy() for part in tape.gradient(losses, weights))]


def test_a_large_catalogue_is_not_encoded() -> None:
    assert _objective(n_negatives=15, batch_size=5).small_catalogue
    assert not _objective(n_negatives=14, batch_size=5).small_catalogue


@pytest.mark.parametrize("small_catalogue", [True, False])
def test_hinge_compares_with_valid_negatives_alone(small_catalogue: bool) -> None:
    objective = _objective(loss="hinge", mining="hardest", n_negatives=20, comparisons=1000)
    objective.small_catalogue = small_catalogue
    step = _step(objective)
    positive, every = _scores(objective, step)
    best = [scores[others].max() for scores, others in zip(every, _negatives(objective, step), strict=True)]
    expected = np.maximum(0, 1 + np.array(best) - positive)  # 1000 draws of 20 meet the best one
    np.testing.assert_allclose(objective.losses(step), expected, rtol=1e-4, atol=1e-5)


def test_comparisons_are_drawn_uniformly_for_each_positive_from_the_negatives_of_the_step() -> None:
    objective = _objective(loss="bpr", comparisons=400)
    columns = objective._compared(_step(objective), tf.constant([2, 3, 3, 3, 9])).numpy()
    shares = np.bincount(columns.ravel(), minlength=5) / columns.size
    np.testing.assert_allclose(shares, [0.2, 0.6, 0, 0, 0.2], atol=0.02)
    assert len({tuple(row) for row in columns}) == len(columns)


@pytest.mark.parametrize("n_negatives", [8, 20])
def test_regularization_adds_the_squared_lengths(n_negatives: int) -> None:
    plain, penalized = _objective(n_negatives=n_negatives), _objective(n_negatives=n_negatives, regularization=0.1)
    step = _step(plain)
    network, data = plain.network, plain.data
    users = network.encode_users(data.user_inputs(step)).numpy()[step.row.numpy()]
    items = network.encode_items(data.item_inputs(step.item)).numpy()
    added = 0.1 * ((users**2).sum(axis=1) + (items**2).sum(axis=1))
    np.testing.assert_allclose(penalized.losses(step) - plain.losses(step), added, rtol=1e-3)
