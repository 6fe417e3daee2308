from typing import ClassVar

from tests.contracts import FamilyContract


class TestNeuMF(FamilyContract):
    family = "neumf"
    overrides: ClassVar = {"learning_rate": 0.03}
    # Factors and halves of 4 users and 5 items, item biases; layers 64 → 32 → 16; both outputs.
    parameters = (4 + 5) * (64 + 64) + 5 + (64 * 32 + 32) + (32 * 16 + 16) + 64 + 16
    ranks_by_user_features = False
    ranks_by_item_features = False
