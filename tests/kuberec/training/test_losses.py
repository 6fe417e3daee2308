import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from kuberec.training.config import GradientConfig, Mining
from kuberec.training.losses import log_sum_exp, mean_valid, mine, pairwise_loss, sampled_softmax_loss

POSITIVE = np.array([1.0, 0.0], np.float32)
NEGATIVE = np.array([[0.5, 2.0, -1.0], [1.0, -3.0, 0.25]], np.float32)
VALID = np.array([[True, True, False], [True, True, True]])
N_ITEMS = 100


def _softmax(temperature: float = 1.0, chance: float = 1.0) -> npt.NDArray[np.float32]:
    log_chances = tf.fill([3], float(np.log(chance)))
    total = log_sum_exp(tf.constant(NEGATIVE / temperature), tf.constant(VALID), log_chances)
    return np.asarray(sampled_softmax_loss(tf.constant(POSITIVE / temperature), total))


def _pairwise(**settings: object) -> npt.NDArray[np.float32]:
    config = GradientConfig.model_validate(settings)
    positive, negative, valid = (tf.constant(array) for array in (POSITIVE, NEGATIVE, VALID))
    return np.asarray(pairwise_loss(config, positive, negative, valid, N_ITEMS))


def test_softmax_is_cross_entropy_among_the_valid() -> None:
    expected = [
        -np.log(np.exp(1) / (np.exp(1) + np.exp(0.5) + np.exp(2))),
        -np.log(1 / (1 + np.exp(1) + np.exp(-3) + np.exp(0.25))),
    ]
    np.testing.assert_allclose(_softmax(), expected, rtol=1e-6)


def test_softmax_corrects_for_the_chance_to_be_drawn() -> None:
    expected = -np.log(np.exp(1) / (np.exp(1) + (np.exp(0.5) + np.exp(2)) / 0.25))
    assert _softmax(chance=0.25)[0] == pytest.approx(expected, rel=1e-6)


def test_bpr_is_the_mean_log_sigmoid_of_the_differences() -> None:
    expected = [
        np.mean(-np.log(1 / (1 + np.exp(-np.array([0.5, -1.0]))))),
        np.mean(-np.log(1 / (1 + np.exp(-np.array([-1.0, 3.0, -0.25]))))),
    ]
    np.testing.assert_allclose(_pairwise(loss="bpr"), expected, rtol=1e-6)


def test_hinge_is_the_mean_violation_of_the_margin() -> None:
    np.testing.assert_allclose(_pairwise(loss="hinge", margin=1.0), [(0.5 + 2.0) / 2, (2.0 + 0 + 1.25) / 3])


def test_hinge_with_the_hardest_negative() -> None:
    np.testing.assert_allclose(_pairwise(loss="hinge", margin=1.0, mining="hardest"), [2.0, 2.0])


def test_hinge_with_the_semi_hard_negative() -> None:
    np.testing.assert_allclose(_pairwise(loss="hinge", margin=1.0, mining="semi_hard"), [0.5, 0.0])


def test_semi_hard_falls_back_to_the_lowest() -> None:
    chosen, valid = mine(tf.constant([-5.0]), tf.constant([[1.0, 3.0]]), tf.constant([[True, True]]), Mining.SEMI_HARD)
    assert (chosen.numpy().item(), valid.numpy().item()) == (1.0, True)


def test_warp_weighs_the_violation_by_the_log_of_the_rank() -> None:
    expected = [
        np.log1p(2 / 2 * N_ITEMS) * (0.5 + 2.0) / 2,
        np.log1p(2 / 3 * N_ITEMS) * (2.0 + 1.25) / 2,
    ]
    np.testing.assert_allclose(_pairwise(loss="warp", margin=1.0), expected, rtol=1e-6)


def test_mean_is_over_what_is_valid() -> None:
    means = mean_valid(tf.constant([[1.0, 3.0], [5.0, 7.0], [9.0, 9.0]]), [[True, True], [False, True], [False, False]])
    assert np.asarray(means).tolist() == [2.0, 7.0, 0.0]


@pytest.mark.parametrize("loss", ["bpr", "hinge", "warp"])
@pytest.mark.parametrize("mining", ["all", "hardest", "semi_hard"])
def test_no_valid_negative_gives_no_pairwise_loss_and_no_gradient(loss: str, mining: str) -> None:
    config = GradientConfig.model_validate({"loss": loss, "mining": mining})
    positive = tf.Variable([1.0])
    with tf.GradientTape() as tape:
        values = pairwise_loss(config, positive, tf.constant([[5.0]]), tf.constant([[False]]), 10)
    assert values.numpy().tolist() == [0.0]
    assert tape.gradient(values, positive).numpy().tolist() == [0.0]


def test_no_valid_negative_gives_no_softmax_loss_and_no_gradient() -> None:
    positive, negative = tf.Variable([1.0]), tf.Variable([[5.0]])
    with tf.GradientTape() as tape:
        values = sampled_softmax_loss(positive, log_sum_exp(negative, tf.constant([[False]]), tf.zeros([1])))
    assert values.numpy().tolist() == [0.0]
    assert [gradient.numpy().ravel().tolist() for gradient in tape.gradient(values, [positive, negative])] == [[0], [0]]
