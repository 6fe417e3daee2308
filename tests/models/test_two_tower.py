from tests.contracts import FamilyContract

TOWER = 64 * 128 + 128 + 128 * 64 + 64


class TestTwoTower(FamilyContract):
    family = "two_tower"
    parameters = 4 * 64 + 5 * 64 + 5 + 2 * TOWER  # users and items with their unknown, biases, towers
    ranks_by_user_features = True
    ranks_by_item_features = True
