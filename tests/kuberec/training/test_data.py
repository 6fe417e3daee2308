import numpy as np
import tensorflow as tf

from kuberec.training.config import FamilyConfig, Negatives
from kuberec.training.data import StepData, TrainingData, recent_items, valid_negatives
from tests.kuberec.builders import make_features

ROWS = [
    ("a", "i1", 5.0, 10),
    ("a", "i2", 5.0, 20),
    ("a", "i3", 1.0, 30),
    ("a", "i4", 4.0, 40),
    ("b", "i1", 5.0, 50),
    ("c", "i3", 2.0, 60),
]


def _data(**settings: object) -> TrainingData:
    features = make_features(ROWS)
    return TrainingData.of(features, features.train, FamilyConfig.model_validate(settings))


def test_histories_are_the_last_positives_oldest_first() -> None:
    assert _data(history_length=2).histories.tolist() == [[0, 0], [2, 4], [1, 0], [0, 0]]


def test_recent_items_keeps_all_of_a_short_history() -> None:
    data = _data()
    assert recent_items(data.positives, 4, 5)[1].tolist() == [1, 2, 4, 0, 0]


def test_counts_and_known_ids_are_those_of_positives() -> None:
    data = _data()
    assert data.item_counts.tolist() == [0, 2, 1, 0, 1]
    assert data.user_known.tolist() == [False, True, True, False]
    assert data.item_known.tolist() == [False, True, True, False, True]


def test_recent_counts_halve_by_the_share_of_newer_positives() -> None:
    # Positives in time order: i1, i2, i4, i1; newer shares 3/4, 2/4, 1/4, 0; half-life 1/4 gives 1/8, 1/4, 1/2, 1.
    weights = np.array([1 / 8, 1 / 4, 1 / 2, 1])
    scale = 4 / weights.sum()
    expected = np.array([0, weights[0] + weights[3], weights[1], 0, weights[2]]) * scale
    np.testing.assert_allclose(_data(half_life=0.25).recent_counts, expected)


def test_trend_is_nothing_without_a_half_life() -> None:
    assert not _data(half_life=None).trend.any()


def test_positives_at_one_time_count_alike() -> None:
    features = make_features([("a", "x", 5.0, 1), ("b", "y", 5.0, 1), ("c", "y", 5.0, 1)])
    data = TrainingData.of(features, features.train, FamilyConfig(half_life=0.1))
    np.testing.assert_allclose(data.recent_counts, data.item_counts)


def test_unknown_ids_enter_the_towers_as_zero() -> None:
    assert _data().user_inputs(np.array([1, 3]))["index"].tolist() == [1, 0]
    assert _data().item_inputs(np.array([3, 4]))["index"].tolist() == [0, 4]


def test_few_items_make_the_softmax_exact() -> None:
    step = StepData(_data(), Negatives.UNIFORM, 3)
    negatives, log_counts = step.negatives(tf.constant([0, 0]))
    assert negatives.numpy().tolist() == [1, 2, 4]
    assert not log_counts.numpy().any()


def test_negatives_are_drawn_by_popularity() -> None:
    rows = [("u", "often", 5.0, n) for n in range(16)] + [("u", "once", 5.0, 99)] + [("u", "also", 5.0, 99)]
    features = make_features(rows)
    step = StepData(TrainingData.of(features, features.train, FamilyConfig()), Negatives.POPULARITY, 2)
    drawn = np.concatenate([step.negatives(tf.constant([0, n]))[0].numpy() for n in range(2000)])
    shares = np.bincount(drawn, minlength=4)[1:] / len(drawn)
    np.testing.assert_allclose(shares, [1 / 6, 4 / 6, 1 / 6], atol=0.03)  # also, often, once: 1 : sqrt 16 : 1


def test_expected_counts_are_those_drawn() -> None:
    rows = [("u", f"i{n:02}", 5.0, n) for n in range(10)]
    features = make_features(rows)
    step = StepData(TrainingData.of(features, features.train, FamilyConfig()), Negatives.UNIFORM, 5)
    _, log_counts = step.negatives(tf.constant([0, 1]))
    np.testing.assert_allclose(log_counts.numpy(), np.log(5 / 10), rtol=1e-6)


def test_items_taken_are_no_negatives() -> None:
    negatives = tf.constant([2, 3, 3, 7, 9])
    valid = valid_negatives(negatives, tf.constant([3, 5]), tf.constant([[9, 0], [2, 7]]))
    assert valid.numpy().tolist() == [
        [True, False, False, True, False],
        [False, True, False, False, True],
    ]


def test_the_positive_is_blanked_in_its_own_history() -> None:
    step = StepData(_data(history_length=3), Negatives.UNIFORM, 3)
    inputs = step.user_inputs(tf.constant([1]), tf.constant([2]))
    assert inputs["history"].numpy().tolist() == [[1, 0, 4]]
