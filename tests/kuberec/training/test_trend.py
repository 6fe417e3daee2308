from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from kuberec.dataset import ORDER_ONLY
from kuberec.training.config import FamilyConfig
from kuberec.training.data import TrainingData
from kuberec.training.trend import HALF_LIVES, Popular, with_half_life
from tests.kuberec.builders import Row, make_features

OLD, NEW = "old", "new"
TAKEN = [
    *((f"u{user}", OLD, 5.0, user) for user in range(60)),
    *((f"u{user}", NEW, 5.0, user) for user in range(60, 90)),
]
"""Most took the old one, but nobody of late."""


def _asked(item: str) -> Sequence[Row]:
    return [(f"v{user}", item, 5.0, 100 + user) for user in range(5)]


def test_popularity_that_moves_is_followed() -> None:
    features = make_features(TAKEN, _asked(NEW))
    decided = with_half_life(FamilyConfig(), features, 1).half_life
    assert decided in HALF_LIVES and decided is not None
    data = TrainingData.of(features, features.train, FamilyConfig(half_life=decided))
    assert data.recent_counts[features.items.index[NEW]] > data.recent_counts[features.items.index[OLD]]


def test_popularity_that_lasts_has_no_half_life() -> None:
    assert with_half_life(FamilyConfig(), make_features(TAKEN, _asked(OLD)), 1).half_life is None


def test_without_a_validation_positive_there_is_no_half_life() -> None:
    assert with_half_life(FamilyConfig(), make_features(TAKEN), 1).half_life is None


def test_an_order_is_no_time() -> None:
    features = make_features(TAKEN, _asked(NEW))
    interactions = features.spec.interactions.model_copy(update={"timestamp_format": ORDER_ONLY})
    ordered = replace(features, spec=features.spec.model_copy(update={"interactions": interactions}))
    assert with_half_life(FamilyConfig(), ordered, 1).half_life is None


def test_what_is_set_stays() -> None:
    features = make_features(TAKEN, _asked(OLD))
    assert with_half_life(FamilyConfig(half_life=0.3), features, 1).half_life == 0.3
    assert with_half_life(FamilyConfig(half_life=None), make_features(TAKEN, _asked(NEW)), 1).half_life is None


@pytest.mark.parametrize("k", [1, 3, 9])
def test_popular_leaves_out_what_a_user_took(k: int) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"u{rng.integers(12)}", f"i{rng.integers(6)}", 5.0, time) for time in range(40)]
    features = make_features(rows, users=[f"u{n:02}" for n in range(12)] + sorted({row[0] for row in rows}))
    data = TrainingData.of(features, features.train, FamilyConfig(half_life=0.2))
    users = np.array([3, 0, len(features.users) - 1, 14])
    items, counts = Popular(data).rank(users, k)
    for user, found, score in zip(users, items, counts, strict=True):
        taken = set(features.train.item[features.train.user == user])
        left = sorted(set(range(1, len(features.items))) - taken, key=lambda item: -data.recent_counts[item])
        assert [item for item in found if item] == left[:k]
        np.testing.assert_array_equal(score, data.recent_counts[found])
