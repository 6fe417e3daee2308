from tests.contracts import FamilyContract


class TestALS(FamilyContract):
    family = "als"
    parameters = 4 * 64 + 5 * 64  # users, items
    ranks_by_user_features = False
    ranks_by_item_features = False
