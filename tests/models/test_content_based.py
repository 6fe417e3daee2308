import numpy as np
import pytest

from kuberec.errors import ModelError
from kuberec.training.families import load_family
from tests.contracts import FamilyContract
from tests.kuberec.builders import make_features
from tests.other_backend import KINDS, ROWS, small_features

TOWER = 64 * 128 + 128 + 128 * 64 + 64


class TestContentBased(FamilyContract):
    family = "content_based"
    parameters = 3 * 64 + 3 + 2 * TOWER  # the kinds' embeddings and biases with the unknown, towers
    ranks_by_user_features = False
    ranks_by_item_features = True

    def test_items_without_features_are_a_clear_error(self) -> None:
        features, family = make_features(ROWS), load_family(self.family)
        with pytest.raises(ModelError, match=r"features of the items, and the dataset has none.*dataset\.yaml"):
            family.network(family.config(), features.users, features.items)

    def test_items_of_the_same_features_are_the_same(self) -> None:
        features, family = small_features(self.family), load_family(self.family)
        network = family.network(family.config(), features.users, features.items)
        vectors = np.asarray(network.encode_items({"index": np.arange(5, dtype=np.int32), "kind": KINDS}))
        assert (vectors[1] == vectors[3]).all()
        assert (vectors[1] != vectors[2]).any()

    def test_user_is_the_mean_of_the_history(self) -> None:
        features, family = small_features(self.family), load_family(self.family)
        network = family.network(family.config(), features.users, features.items)
        items = np.asarray(network.encode_items({"index": np.array([1, 2], np.int32), "kind": KINDS[[1, 2]]}))
        histories = np.array([[1, 2, 0], [3, 1, 2]], np.int32)
        users = np.asarray(network.encode_users({"index": np.zeros(2, np.int32), "history": histories}))
        # The untrained user tower passes its input on.
        np.testing.assert_allclose(users[0, :-1], items.mean(axis=0)[:-1], rtol=1e-5)
        np.testing.assert_allclose(users[1, :-1], (2 * items[0] + items[1])[:-1] / 3, rtol=1e-5)
