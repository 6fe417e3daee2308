from tests.contracts import FamilyContract


class TestMatrixFactorization(FamilyContract):
    family = "matrix_factorization"
    parameters = 4 * 128 + 5 * 128 + 5  # users and items with their unknown, and the items' biases
    ranks_by_user_features = False
    ranks_by_item_features = False
