from typing import ClassVar

from tests.contracts import FamilyContract

TOWER = 64 * 128 + 128 + 128 * 64 + 64


class TestTriplet(FamilyContract):
    family = "triplet"
    overrides: ClassVar = {"learning_rate": 0.002}
    parameters = 4 * 64 + 2 * 5 * 64 + 5 + 2 * TOWER  # users, items and history, biases, towers
    ranks_by_user_features = True
    ranks_by_item_features = True
