import numpy as np
import pytest

from kuberec.baselines import BASELINES, EASE, KINDS, Baseline, ItemKNN, fit_baseline
from kuberec.errors import ConfigError
from kuberec.features import Features
from kuberec.recommender import PADDING, Array
from tests.kuberec.builders import DAY, Row, make_features, taste_rows

# Takers: a 3, b 2, c 1, d 0 (w dislikes it).
POPULAR: list[Row] = [
    ("u", "a", 5, 0),
    ("v", "a", 5, 0),
    ("w", "a", 5, 0),
    ("u", "b", 5, 1),
    ("v", "b", 4, 1),
    ("u", "c", 5, 2),
    ("w", "d", 1, 2),
]


def fitted(name: str, features: Features, **chosen: object) -> Baseline:
    return KINDS[name](features.users, features.items, features.observed, chosen, seed=0)


def lists(model: Baseline, users: list[str], k: int) -> list[list[str]]:
    return [[str(item) for item in row] for row in model.recommend(users, k).item_ids]


def test_popularity_ranks_by_takers_and_leaves_out_all_that_was_observed() -> None:
    model = fit_baseline("popularity", make_features(POPULAR, items=["a", "b", "c", "d"]))
    assert lists(model, ["v", "w"], 2) == [["c", "d"], ["b", "c"]]


@pytest.mark.parametrize("name", BASELINES)
def test_an_unknown_user_gets_popularity(name: str) -> None:
    model = fit_baseline(name, make_features(POPULAR, items=["a", "b", "c", "d"]))
    assert lists(model, ["nobody"], 3) == [["a", "b", "c"]]


@pytest.mark.parametrize("name", BASELINES)
def test_a_user_without_positives_gets_popularity_without_the_disliked(name: str) -> None:
    rows = [*POPULAR, ("x", "a", 1.0, 3)]
    model = fit_baseline(name, make_features(rows, items=["a", "b", "c", "d"]))
    assert lists(model, ["x"], 2) == [["b", "c"]]


@pytest.mark.parametrize("name", BASELINES)
def test_k_above_the_catalogue_is_cut_and_padded(name: str) -> None:
    model = fit_baseline(name, make_features(POPULAR, items=["a", "b", "c", "d"]))
    answer = model.recommend(["u"], 99)
    assert answer.item_ids.tolist() == [["d", PADDING, PADDING, PADDING]]
    assert np.isneginf(answer.scores[0, 1:]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_lists_and_scores_come_out_the_same_twice(name: str) -> None:
    features = make_features(taste_rows(users=30, items=20, groups=2))
    first, second = (fit_baseline(name, features).recommend(features.users.ids[1:].tolist(), 5) for _ in range(2))
    assert np.array_equal(first.item_ids, second.item_ids)
    assert np.array_equal(first.scores, second.scores)


@pytest.mark.parametrize("name", ["item_knn", "ease", "als"])
def test_a_personal_baseline_finds_the_users_taste(name: str) -> None:
    rows = taste_rows(users=40, items=40, groups=4)
    features = make_features(rows)
    users = features.users.ids[1:].tolist()
    for user, answer in zip(users, lists(fit_baseline(name, features), users, 1), strict=True):
        taken = {item for who, item, value, _ in rows if who == user and value >= 4}
        if len(taken) < 10:
            assert int(answer[0][1:]) % 4 == int(user[1:]) % 4


def test_recent_popularity_puts_the_last_days_first() -> None:
    rows: list[Row] = [*((f"u{n}", "old", 5.0, 0) for n in range(5)), ("v", "new", 5, 300 * DAY)]
    model = fitted("recent_popularity", make_features(rows), days=30)
    assert lists(model, ["nobody"], 2) == [["new", "old"]]


def test_recent_popularity_orders_older_items_by_all_time() -> None:
    rows: list[Row] = [("a", "x", 5, 0), ("b", "y", 5, 0), ("c", "y", 5, 0), ("v", "new", 5, 300 * DAY)]
    model = fitted("recent_popularity", make_features(rows), days=30)
    assert lists(model, ["nobody"], 3) == [["new", "y", "x"]]


def test_markov_follows_the_last_item_by_counts_then_popularity() -> None:
    rows: list[Row] = [
        *[("p", "a", 5, 0), ("p", "b", 5, 1)],
        *[("q", "a", 5, 0), ("q", "b", 5, 1)],
        *[("r", "a", 5, 0), ("r", "c", 5, 1)],
        *[("s", "d", 5, 0), ("t", "d", 5, 0), ("x", "d", 5, 0), ("y", "e", 5, 0)],
        ("u", "a", 5, 0),
    ]
    # After a: b twice, c once. Nothing follows more, so d (3 takers) and e come by popularity.
    model = fitted("markov", make_features(rows), last=1)
    answer = model.recommend(["u"], 4)
    assert answer.item_ids.tolist() == [["b", "c", "d", "e"]]
    assert answer.scores[0, :2].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_markov_weighs_the_last_items_by_their_place() -> None:
    rows: list[Row] = [
        *[("p", "a", 5, 0), ("p", "b", 5, 1)],
        *[("q", "c", 5, 0), ("q", "d", 5, 1)],
        *[("u", "a", 5, 0), ("u", "c", 5, 1)],
    ]
    # u's last is c (weight 1, then d), before it a (weight 1/2; then b and c, half each).
    answer = fitted("markov", make_features(rows), last=2).recommend(["u"], 2)
    assert answer.item_ids.tolist() == [["d", "b"]]
    assert answer.scores[0].tolist() == pytest.approx([1.0, 0.25])


def test_markov_does_not_cross_from_one_user_to_the_next() -> None:
    rows: list[Row] = [("p", "a", 5, 0), ("q", "b", 5, 0), ("r", "c", 5, 0), ("s", "c", 5, 0)]
    assert lists(fitted("markov", make_features(rows), last=1), ["p"], 2) == [["c", "b"]]


def test_item_knn_sums_cosines() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    model = fitted("item_knn", features, weighting="cosine", neighbours=1000)
    taken = dense(features)
    cosine = taken.T @ taken / np.outer(np.linalg.norm(taken, axis=0), np.linalg.norm(taken, axis=0))
    assert isinstance(model, ItemKNN)
    np.testing.assert_allclose(model.similarity.toarray(), cosine, rtol=1e-6)
    row = model.scores(np.array([3]))[0]
    expected = taken[2] @ cosine
    np.testing.assert_allclose(row[expected > 0], expected[expected > 0], rtol=1e-5)


def test_ease_is_the_closed_form() -> None:
    features = make_features(taste_rows(users=30, items=12, groups=2))
    model = fitted("ease", features, regularization=10.0)
    taken = dense(features)
    inverse = np.linalg.inv(taken.T @ taken + 10.0 * np.eye(taken.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(model.scores(np.arange(1, 31)), taken @ weights, atol=1e-4)


def test_ease_models_the_most_popular_items_of_a_large_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EASE, "most_items", 2)
    model = fitted("ease", make_features(POPULAR, items=["a", "b", "c", "d"]), regularization=1.0)
    scores = model.scores(np.array([1, 2, 3]))
    assert (scores[:, :2] != 0).any()
    assert (scores[:, 2:] == 0).all()


def dense(features: Features) -> Array:
    known = features.observed.positives()
    taken = np.zeros((len(features.users) - 1, len(features.items) - 1))
    taken[known.user - 1, known.item - 1] = 1
    return taken


def test_the_validation_part_chooses_and_is_learnt_from_afterwards() -> None:
    train: list[Row] = [(f"u{n}", "old", 5, 0) for n in range(9)]
    train += [(f"v{n}", "spring", 5, 250 * DAY) for n in range(5)]
    train += [(f"w{n}", "now", 5, 298 * DAY) for n in range(2)]
    # Only the shortest windows put what x takes next first.
    features = make_features(train, [("x", "now", 5, 299 * DAY)])
    model = fit_baseline("recent_popularity", features, k=1)
    assert model.parameters == {"days": 30}
    assert lists(model, ["x", "nobody"], 1) == [["old"], ["now"]]
    assert model.positives.sum() == len(train) + 1


@pytest.mark.parametrize("name", ["item_knn", "ease", "als", "markov"])
def test_the_window_is_shared_and_serves_the_unknown_user(name: str) -> None:
    train: list[Row] = [(f"u{n}", "old", 5, 0) for n in range(9)]
    train += [(f"w{n}", "now", 5, 298 * DAY) for n in range(2)]
    model = fit_baseline(name, make_features(train, [("x", "now", 5, 299 * DAY)]), k=1)
    assert model.parameters["days"] == 180
    assert lists(model, ["nobody"], 2) == [["now", "old"]]


def test_plain_popularity_stays_plain() -> None:
    train: list[Row] = [(f"u{n}", "old", 5, 0) for n in range(9)]
    model = fit_baseline("popularity", make_features(train, [("x", "now", 5, 299 * DAY)]), k=1)
    assert lists(model, ["nobody"], 2) == [["old", "now"]]


def test_without_validation_the_first_of_the_grid_is_taken() -> None:
    assert fit_baseline("ease", make_features(POPULAR)).parameters == EASE.grid[0]


def test_nothing_to_learn_from_gives_lists_all_the_same() -> None:
    features = make_features([("u", "a", 1, 0), ("v", "b", 2, 0)])
    for name in BASELINES:
        assert lists(fit_baseline(name, features), ["u", "nobody"], 2) == [["b", PADDING], ["a", "b"]]


def test_an_unknown_baseline_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'slim'.*popularity.*markov"):
        fit_baseline("slim", make_features(POPULAR))
