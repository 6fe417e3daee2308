import numpy as np

from kuberec.evaluation.metrics import Truth
from kuberec.evaluation.slices import head_items, slices
from tests.kuberec.builders import make_features


def test_slices_by_hand() -> None:
    items = [f"i{number}" for number in range(10)]
    features = make_features(
        train=[("u", "i3", 5, 0), ("v", "i3", 5, 0), ("v", "i4", 5, 1), ("w", "i5", 1, 2)],
        validation=[("u", "i4", 4, 3), ("v", "i5", 4, 3)],
        items=items,
    )
    # w has no known positive; i5's only positive is v's. The head is 2 of 10 items: i3 and i4, with two takers each.
    truth = Truth.of(["u", "u", "v", "w", "x"], ["i5", "i9", "elsewhere", "i3", "i4"], features.items)
    found = {part.name: [truth.user_ids[user] for user in truth.user[part.pairs]] for part in slices(truth, features)}
    assert found == {
        "all": ["u", "u", "v", "w", "x"],
        "warm_users": ["u", "u", "v"],
        "cold_users": ["w", "x"],
        "head_items": ["w", "x"],
        "tail_items": ["u", "u", "v"],
        "cold_items": ["u", "v"],
    }


def test_the_head_takes_the_lower_index_of_equals() -> None:
    assert np.flatnonzero(head_items(np.array([9, 1, 1, 1, 1, 1]))).tolist() == [1]
