import numpy as np
import pandas as pd
import pytest
from rectools import metrics as rectools

from kuberec.evaluation.metrics import (
    Truth,
    coverage,
    gini,
    hits,
    item_users,
    novelty,
    popularity_bias,
    ranking_metrics,
)
from kuberec.recommender import Array
from tests.kuberec.builders import encoded, entity_table

ITEMS = entity_table([f"i{number}" for number in range(1, 31)])


def random_case(seed: int, k: int) -> tuple[Array, Truth]:
    """Lists and truths of 50 users; some lists are short, some truths lie partly outside the catalogue."""
    rng = np.random.default_rng(seed)
    users, items = [], []
    lists = np.zeros((50, k), dtype=np.int32)
    for user in range(50):
        length = int(rng.integers(1, k + 1))
        lists[user, :length] = rng.choice(np.arange(1, 31), size=length, replace=False)
        for item in rng.choice(35, size=int(rng.integers(1, 25)), replace=False):
            users.append(f"u{user:02}")
            items.append(f"i{item + 1}")
    return lists, Truth.of(users, items, ITEMS)


def as_frames(lists: Array, truth: Truth) -> tuple[pd.DataFrame, pd.DataFrame]:
    user, rank = lists.nonzero()
    reco = pd.DataFrame({"user_id": user, "item_id": lists[user, rank], "rank": rank + 1})
    # Items outside the catalogue all have index 0; RecTools needs them apart.
    item = np.where(truth.item > 0, truth.item, -np.arange(len(truth.item)))
    return reco, pd.DataFrame({"user_id": truth.user, "item_id": item})


def test_metrics_of_one_user_by_hand() -> None:
    truth = Truth.of(["u"] * 3, ["i1", "i3", "elsewhere"], ITEMS)
    found = ranking_metrics(hits(np.array([[1, 2, 3]]), truth), truth.sizes)
    # Hits at ranks 1 and 3 of a truth of 3, one of which no list can hold.
    assert found["hr"] == pytest.approx([1.0])
    assert found["recall"] == pytest.approx([2 / 3])
    assert found["ndcg"] == pytest.approx([(1 + 0.5) / (1 + 0.6309297535714575 + 0.5)])
    assert found["mrr"] == pytest.approx([1.0])
    assert found["map"] == pytest.approx([(1 / 1 + 2 / 3) / 3])


def test_a_late_only_hit_by_hand() -> None:
    truth = Truth.of(["u"], ["i7"], ITEMS)
    found = ranking_metrics(hits(np.array([[1, 2, 7, 4]]), truth), truth.sizes)
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(
        {"hr": 1.0, "recall": 1.0, "ndcg": 0.5, "mrr": 1 / 3, "map": 1 / 3}
    )


@pytest.mark.parametrize("k", [1, 3, 10])
def test_metrics_agree_with_rectools(k: int) -> None:
    lists, truth = random_case(seed=k, k=k)
    reco, interactions = as_frames(lists, truth)
    found = ranking_metrics(hits(lists, truth), truth.sizes)
    theirs = {
        "hr": rectools.HitRate(k=k),
        "recall": rectools.Recall(k=k),
        "ndcg": rectools.NDCG(k=k, divide_by_achievable=True),
        "mrr": rectools.MRR(k=k),
    }
    for name, metric in theirs.items():
        expected = metric.calc_per_user(reco, interactions).sort_index().to_numpy()
        np.testing.assert_allclose(found[name], expected, err_msg=name)
    # RecTools divides the average precision by the whole truth, not by what k ranks can reach.
    expected = rectools.MAP(k=k).calc_per_user(reco, interactions).sort_index().to_numpy()
    np.testing.assert_allclose(found["map"], expected * truth.sizes / np.minimum(truth.sizes, k))


def test_a_perfect_list_scores_one_in_all_but_recall() -> None:
    truth = Truth.of(["u"] * 5, ["i1", "i2", "i3", "i4", "i5"], ITEMS)
    found = ranking_metrics(hits(np.array([[5, 4, 3]]), truth), truth.sizes)
    assert [float(found[name][0]) for name in ("hr", "ndcg", "mrr", "map")] == pytest.approx([1, 1, 1, 1])
    assert found["recall"] == pytest.approx([3 / 5])


def test_an_empty_list_scores_zero() -> None:
    truth = Truth.of(["u", "u"], ["i1", "elsewhere"], ITEMS)
    found = ranking_metrics(hits(np.zeros((1, 3), dtype=np.int32), truth), truth.sizes)
    assert {name: float(value[0]) for name, value in found.items()} == dict.fromkeys(found, 0.0)


def test_a_user_without_truth_has_no_score() -> None:
    truth = Truth.of(["u", "v"], ["i1", "i2"], ITEMS).only(np.array([True, False]))
    found = ranking_metrics(hits(np.array([[1, 2], [1, 2]]), truth), truth.sizes)
    for values in found.values():
        assert values[0] > 0
        assert np.isnan(values[1])


def test_a_repeated_pair_counts_once() -> None:
    truth = Truth.of(["u", "u", "u"], ["i1", "i1", "i2"], ITEMS)
    assert truth.sizes.tolist() == [2]


def test_two_items_outside_the_catalogue_count_twice() -> None:
    truth = Truth.of(["u", "u"], ["x", "y"], ITEMS)
    assert truth.sizes.tolist() == [2]


def test_no_user_gets_another_users_hit() -> None:
    truth = Truth.of(["u", "v"], ["i1", "i30"], ITEMS)
    assert not hits(np.array([[30, 29], [1, 2]]), truth).any()


def test_coverage_is_the_share_of_items_shown() -> None:
    assert coverage(np.array([[1, 2], [2, 0]]), 4) == 0.5


def test_gini_of_equal_exposure_is_zero_and_of_one_item_nearly_one() -> None:
    assert gini(np.array([[1, 2], [3, 4]]), 4) == pytest.approx(0.0)
    assert gini(np.array([[1], [1], [1]]), 4) == pytest.approx(3 / 4)
    # Exposures 0, 1, 3: mean absolute difference (1 + 3 + 2) * 2 / 9 over twice the mean 4 / 3.
    assert gini(np.array([[2], [3], [3], [3]]), 3) == pytest.approx((12 / 9) / (2 * 4 / 3))
    assert gini(np.zeros((2, 2), dtype=int), 4) == 0.0


def test_novelty_agrees_with_rectools() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{user}", f"i{item}", 5.0, 0) for user in range(20) for item in rng.choice(np.arange(1, 31), 5)]
    known = encoded(rows, entity_table(sorted({row[0] for row in rows})), ITEMS)
    lists, _ = random_case(seed=1, k=5)
    previous = pd.DataFrame({"user_id": known.user, "item_id": known.item})
    user, rank = lists.nonzero()
    reco = pd.DataFrame({"user_id": user, "item_id": lists[user, rank], "rank": rank + 1})
    expected = rectools.MeanInvUserFreq(k=5).calc_per_user(reco, previous).sort_index().to_numpy()
    np.testing.assert_allclose(novelty(lists, item_users(known, len(ITEMS)), 20), expected)


def test_popularity_bias_by_hand() -> None:
    users = entity_table(["u", "v", "w"])
    items = entity_table(["a", "b", "c"])
    # a has two takers, b one, c none; w has taken nothing.
    known = encoded([("u", "a", 5, 0), ("v", "a", 5, 0), ("v", "b", 5, 1)], users, items)
    takers = item_users(known, len(items))
    lists = np.array([[1, 3], [1, 0], [2, 2]])
    bias = popularity_bias(lists, takers, known, rows=np.array([1, 2, 3]))
    # Shown: u (2 + 0) / 2, v 2 / 1; own history: u 2, v (2 + 1) / 2; w is left out.
    assert bias == pytest.approx({"recommended": 1.5, "history": 1.75, "catalogue": 1.0, "lift": 1.5 / 1.75 - 1})


def test_popularity_bias_of_users_who_took_everything_is_empty() -> None:
    known = encoded([("u", "i1", 5, 0)], entity_table(["u", "v"]), ITEMS)
    assert popularity_bias(np.array([[0, 0]]), item_users(known, len(ITEMS)), known, rows=np.array([1])) == {}


def test_popularity_bias_of_cold_users_only_is_empty() -> None:
    known = encoded([("u", "i1", 5, 0)], entity_table(["u", "v"]), ITEMS)
    assert popularity_bias(np.array([[1]]), item_users(known, len(ITEMS)), known, rows=np.array([2])) == {}
