from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import tensorflow as tf

from kuberec.training.config import FamilyConfig, GradientConfig
from kuberec.training.data import Array, Groups, Step, StepData, TrainingData
from tests.kuberec.builders import Row, make_features

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
    assert _data(history_length=2).histories[np.arange(4)].tolist() == [[0, 0], [2, 4], [1, 0], [0, 0]]


@pytest.mark.parametrize("length", [5, None])
def test_a_short_history_is_kept_whole_and_is_as_wide_as_the_longest_asked_for(length: int | None) -> None:
    histories = _data(history_length=length).histories
    assert histories[np.array([2, 1])].tolist() == [[1, 0, 0], [1, 2, 4]]
    assert histories[np.array([2])].tolist() == [[1]]
    assert histories[np.array([0, 3])].tolist() == [[0], [0]]
    assert histories[np.array([], np.int64)].shape == (0, 1)


def test_the_matrix_of_positives_counts_a_pair_once() -> None:
    features = make_features([*ROWS, ("a", "i1", 5.0, 70)], repeat_consumption=True)
    matrix = TrainingData.of(features, features.train, FamilyConfig()).positive_matrix
    assert matrix.toarray().tolist() == [[0] * 5, [0, 1, 1, 0, 1], [0, 1, 0, 0, 0], [0] * 5]


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


def _steps(rows: Sequence[Row] = ROWS, *, uses_history: bool = False, **settings: object) -> StepData:
    features, config = make_features(rows), GradientConfig.model_validate(settings)
    return StepData(TrainingData.of(features, features.train, config), config, uses_history)


def _pass(data: StepData) -> Iterator[Step]:
    """The steps of the pass that was shuffled."""
    for number in range(data.steps_per_epoch):
        yield data.step(tf.constant(number), tf.constant([0, number]))


def _pairs(data: StepData) -> list[tuple[int, int]]:
    """User and item of every positive of the pass in its order."""
    return [
        (int(step.user[row]), int(item)) for step in _pass(data) for row, item in zip(step.row, step.item, strict=True)
    ]


def _many_rows() -> list[Row]:
    """Users with 0 to 11 positives each, of the 12 items that come after one that nobody likes."""
    disliked = [(f"u{user:02}", "a", 1.0, 0) for user in range(12)]
    return [*disliked, *((f"u{user:02}", f"i{item:02}", 5.0, item) for user in range(12) for item in range(user))]


def _step_of(user: Sequence[int], row: Sequence[int], item: Sequence[int]) -> Step:
    return Step(*(tf.constant(values, tf.int32) for values in (user, row, item, [0, 0])))


@pytest.mark.parametrize("uses_history", [False, True])
@pytest.mark.parametrize("batch_size", [7, 1000])
def test_a_pass_sees_every_positive_once(batch_size: int, uses_history: bool) -> None:
    data = _steps(_many_rows(), batch_size=batch_size, group_size=4, uses_history=uses_history)
    data.shuffle(0, 0)
    pairs = _pairs(data)
    assert sorted(pairs) == [(user + 1, item + 2) for user in range(12) for item in range(user)]
    assert pairs != sorted(pairs)


def test_repeated_positives_are_all_seen() -> None:
    data = _steps([("a", "x", 5.0, 1), ("a", "x", 5.0, 2), ("a", "y", 5.0, 3)])
    data.shuffle(0, 0)
    assert _pairs(data) == [(1, 1), (1, 1), (1, 2)]


def test_the_rows_of_a_step_are_groups_of_one_user_with_rising_items() -> None:
    data = _steps(_many_rows(), batch_size=1000, group_size=4)
    data.shuffle(0, 0)
    (step,) = _pass(data)
    sizes = np.bincount(step.row)
    users, items, row = step.user.numpy(), step.item.numpy(), step.row.numpy()
    assert len(sizes) == len(users) == sum(-(-user // 4) for user in range(12))
    assert 1 <= sizes.min() <= sizes.max() == 4
    assert all((np.diff(items[row == group]) > 0).all() for group in range(len(users)))
    assert np.bincount(users, minlength=13).tolist() == [0, *(-(-user // 4) for user in range(12))]


def test_groups_part_the_positives_of_each_user() -> None:
    groups = Groups.of(np.array([0, 5, 0, 1, 4]), 2, at_most_half=False)
    assert groups.start.tolist() == [0, 2, 4, 5, 6, 8]
    assert groups.length.tolist() == [2, 2, 1, 1, 2, 2]


def test_groups_leave_half_of_the_positives_as_a_history() -> None:
    groups = Groups.of(np.array([0, 1, 2, 5, 100]), 16, at_most_half=True)
    assert groups.length.tolist() == [1, 1, 1, 3, 2, *[16] * 6, 4]
    assert groups.start.tolist() == [0, 1, 2, 3, 6, *range(8, 108, 16)]


def test_the_order_is_a_function_of_seed_and_pass_alone() -> None:
    data, other = (_steps(_many_rows(), batch_size=16, group_size=4) for _ in range(2))
    data.shuffle(0, 0)
    data.shuffle(1, 5)
    other.shuffle(1, 5)
    assert _pairs(data) == _pairs(other)


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (1, 0)])
def test_another_seed_or_pass_gives_another_order_and_other_groups(seed: int, epoch: int) -> None:
    groups = []
    for arguments in ((0, 0), (seed, epoch)):
        data = _steps(_many_rows(), batch_size=1000, group_size=4)
        data.shuffle(*arguments)
        (step,) = _pass(data)
        members = [frozenset(step.item.numpy()[step.row == row]) for row in range(len(step.user))]
        groups.append((step.user.numpy().tolist(), set(zip(step.user.numpy(), members, strict=True))))
    assert groups[0][0] != groups[1][0]
    assert groups[0][1] != groups[1][1]


def test_what_a_group_is_asked_for_is_blanked_in_its_history() -> None:
    data = _steps(uses_history=True, history_length=3)
    step = _step_of(user=[1, 1, 2], row=[0, 0, 1, 2], item=[1, 4, 2, 1])
    inputs = data.user_inputs(step)
    assert inputs["index"].numpy().tolist() == [1, 1, 2]
    assert inputs["history"].numpy().tolist() == [[0, 2, 0], [1, 0, 4], [0, 0, 0]]


def test_a_tower_without_history_gets_none() -> None:
    assert _steps().user_inputs(_step_of([1, 2], [0, 1], [1, 1]))["history"].shape == (2, 0)


def test_what_a_user_took_and_what_was_drawn_before_is_no_negative() -> None:
    data = _steps([("u", f"i{item}", 5.0, item) for item in range(9)])  # the place of item n is n - 1
    step = _step_of(user=[1, 1], row=[0, 0, 1], item=[4, 9, 6])
    valid = data.valid(step, tf.constant([[9, 0], [3, 8]]), tf.constant([1, 2, 2, 3, 7, 8]))
    assert valid.numpy().tolist() == [
        [True, True, False, False, True, False],
        [True, False, False, True, False, True],
    ]


def test_what_a_user_took_is_no_negative_of_their_positives() -> None:
    data = _steps([("u", f"i{item}", 5.0, item) for item in range(9)])  # the place of item n is n - 1
    step = _step_of(user=[1, 1], row=[0, 0, 1], item=[4, 9, 6])
    valid = data.valid_cells(step, tf.constant([[9, 0], [3, 8]]), tf.constant([[3, 0], [9, 17], [11, 8]]))
    assert valid.numpy().tolist() == [[False, True], [True, True], [False, False]]


def test_items_without_positives_have_no_place() -> None:
    assert _steps().places(tf.constant([0, 1, 2, 3, 4])).numpy().tolist() == [3, 0, 1, 3, 2]


def test_few_items_are_all_negatives() -> None:
    data = _steps(n_negatives=3)
    places, log_chances = data.negatives(_step_of([1], [0], [1]))
    assert tf.gather(data.known_items, places).numpy().tolist() == [1, 2, 4]
    assert not log_chances.numpy().any()


def _skewed_rows() -> list[Row]:
    """300 users with one positive each; item n of 0 to 23 is liked in proportion to n + 1."""
    return [(f"u{n:03}", f"i{item:02}", 5.0, n) for n, item in enumerate(np.repeat(np.arange(24), np.arange(1, 25)))]


@pytest.mark.parametrize(("negatives", "power"), [("uniform", 0.0), ("popularity", 0.5), ("in_batch", 1.0)])
def test_negatives_are_drawn_in_proportion_to_a_power_of_the_positives(negatives: str, power: float) -> None:
    data = _steps(_skewed_rows(), negatives=negatives, n_negatives=10, batch_size=50)
    drawn, _ = _drawn(data, passes=150)
    shares = np.bincount(drawn.ravel(), minlength=24) / drawn.size
    expected = np.arange(1, 25) ** power
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.015)


@pytest.mark.parametrize("negatives", ["uniform", "popularity", "in_batch"])
@pytest.mark.parametrize("batch_size", [12, 100])
def test_chances_are_how_often_an_item_is_among_the_negatives(negatives: str, batch_size: int) -> None:
    data = _steps(_skewed_rows(), negatives=negatives, n_negatives=20, batch_size=batch_size)
    drawn, log_chances = _drawn(data, passes=1200 // data.steps_per_epoch)
    among = np.mean([np.bincount(places, minlength=24) > 0 for places in drawn], axis=0)
    chances = np.full(24, np.nan)
    chances[drawn.ravel()] = np.exp(log_chances.ravel())
    np.testing.assert_allclose(chances, among, atol=0.06)  # 1200 steps: 4 standard errors


def _drawn(data: StepData, passes: int) -> tuple[Array, Array]:
    """Places and log chances of every step, `[steps, n_negatives]` each."""

    @tf.function
    def draw(number: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return data.negatives(data.step(number, seed))

    results = []
    for epoch in range(passes):
        data.shuffle(0, epoch)
        for number in range(data.steps_per_epoch):
            results.append(draw(tf.constant(number), tf.constant([epoch, number])))
    return np.array([places for places, _ in results]), np.array([chances for _, chances in results])
