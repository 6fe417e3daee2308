import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from kuberec.training.config import FamilyConfig, Mining
from kuberec.training.losses import mine, ranking_loss

POSITIVE = np.array([1.0, 0.0], np.float32)
NEGATIVE = np.array([[0.5, 2.0, -1.0], [1.0, -3.0, 0.25]], np.float32)
VALID = np.array([[True, True, False], [True, True, True]])
N_ITEMS = 100


def _loss(log_counts: float = 0.0, **settings: object) -> npt.NDArray[np.float32]:
    config = FamilyConfig.model_validate(settings)
    counts = tf.fill([3], float(log_counts))
    positive, negative, valid = (tf.constant(array) for array in (POSITIVE, NEGATIVE, VALID))
    return np.asarray(ranking_loss(config, positive, negative, valid, counts, N_ITEMS))


def test_softmax_is_cross_entropy_among_the_valid() -> None:
    expected = [
        -np.log(np.exp(1) / (np.exp(1) + np.exp(0.5) + np.exp(2))),
        -np.log(1 / (1 + np.exp(1) + np.exp(-3) + np.exp(0.25))),
    ]
    np.testing.assert_allclose(_loss(loss="softmax"), expected, rtol=1e-6)


def test_softmax_temperature_divides_the_scores() -> None:
    expected = -np.log(np.exp(2) / (np.exp(2) + np.exp(1) + np.exp(4)))
    assert _loss(loss="softmax", temperature=0.5)[0] == pytest.approx(expected, rel=1e-6)


def test_softmax_corrects_for_how_often_a_negative_is_drawn() -> None:
    expected = -np.log(np.exp(1) / (np.exp(1) + (np.exp(0.5) + np.exp(2)) / 4))
    assert _loss(np.log(4.0), loss="softmax")[0] == pytest.approx(expected, rel=1e-6)


def test_bpr_is_the_mean_log_sigmoid_of_the_differences() -> None:
    expected = [
        np.mean(-np.log(1 / (1 + np.exp(-np.array([0.5, -1.0]))))),
        np.mean(-np.log(1 / (1 + np.exp(-np.array([-1.0, 3.0, -0.25]))))),
    ]
    np.testing.assert_allclose(_loss(loss="bpr"), expected, rtol=1e-6)


def test_hinge_is_the_mean_violation_of_the_margin() -> None:
    np.testing.assert_allclose(_loss(loss="hinge", margin=1.0), [(0.5 + 2.0) / 2, (2.0 + 0 + 1.25) / 3])


def test_hinge_with_the_hardest_negative() -> None:
    np.testing.assert_allclose(_loss(loss="hinge", margin=1.0, mining="hardest"), [2.0, 2.0])


def test_hinge_with_the_semi_hard_negative() -> None:
    np.testing.assert_allclose(_loss(loss="hinge", margin=1.0, mining="semi_hard"), [0.5, 0.0])


def test_semi_hard_falls_back_to_the_lowest() -> None:
    chosen, valid = mine(tf.constant([-5.0]), tf.constant([[1.0, 3.0]]), tf.constant([[True, True]]), Mining.SEMI_HARD)
    assert (chosen.numpy().item(), valid.numpy().item()) == (1.0, True)


def test_warp_weighs_the_violation_by_the_log_of_the_rank() -> None:
    expected = [
        np.log1p(2 / 2 * N_ITEMS) * (0.5 + 2.0) / 2,
        np.log1p(2 / 3 * N_ITEMS) * (2.0 + 1.25) / 2,
    ]
    np.testing.assert_allclose(_loss(loss="warp", margin=1.0), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["softmax", "bpr", "hinge", "warp"])
@pytest.mark.parametrize("mining", ["all", "hardest", "semi_hard"])
def test_no_valid_negative_gives_no_loss_and_no_gradient(loss: str, mining: str) -> None:
    config = FamilyConfig.model_validate({"loss": loss, "mining": mining})
    positive = tf.Variable([1.0])
    with tf.GradientTape() as tape:
        values = ranking_loss(config, positive, tf.constant([[5.0]]), tf.constant([[False]]), tf.zeros([1]), 10)
    assert values.numpy().tolist() == [0.0]
    gradient = tape.gradient(values, positive)
    assert gradient is None or gradient.numpy().tolist() == [0.0]
