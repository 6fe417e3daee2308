from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from kuberec.features import EntityTable, FeatureInfo
from kuberec.schema import FeatureType
from models.wide_deep.config import WideDeepConfig
from models.wide_deep.model import MOST_CODES, WideDeepNetwork
from tests.contracts import FamilyContract
from tests.kuberec.builders import entity_table

HALVES = 2 * 32 * 64 + 64  # the first layer, over an id's embedding on either side
DEEP = HALVES + 64 * 32 + 32 + 32


class TestWideDeep(FamilyContract):
    family = "wide_deep"
    overrides: ClassVar = {"learning_rate": 0.03}
    parameters = 4 * 32 + 5 * 32 + 5 + DEEP  # users and items with their unknown, biases, the deep part
    ranks_by_user_features = True
    ranks_by_item_features = True


class TestWide:
    @pytest.mark.parametrize(
        ("kind", "size", "codes"),
        [
            (FeatureType.CATEGORICAL, 4, 3),
            (FeatureType.MULTI_CATEGORICAL, 4, 3),
            (FeatureType.CATEGORICAL, MOST_CODES, MOST_CODES - 1),
            (FeatureType.CATEGORICAL, MOST_CODES + 1, 0),
            (FeatureType.CATEGORICAL, 1, 0),
            (FeatureType.TEXT, 4, 0),
        ],
    )
    def test_crosses_small_vocabularies(self, kind: FeatureType, size: int, codes: int) -> None:
        users, items = entity_table(["a", "b"]), _with_feature(kind, size)
        vectors = _network(users, items).encode_users({"index": np.array([1], np.int32)})
        assert vectors.shape == (1, 64 + codes + 1)

    def test_item_vector_names_its_codes(self) -> None:
        items = _with_feature(FeatureType.MULTI_CATEGORICAL, 4)
        inputs = {"index": np.array([1, 2, 0], np.int32), "kind": np.array([[1, 3], [2, 0], [0, 0]], np.int32)}
        codes = _network(entity_table(["a"]), items).encode_items(inputs)[:, 64:-1]
        assert np.asarray(codes).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]

    def test_scores_of_all_pairs_are_those_of_each_pair(self) -> None:
        network = _network(entity_table(["a", "b"]), _with_feature(FeatureType.CATEGORICAL, 3))
        users = network.encode_users({"index": np.array([1, 2], np.int32)})
        items = network.encode_items({"index": np.array([1, 2], np.int32), "kind": np.array([1, 2], np.int32)})
        every = np.asarray(network.cross(users, items))
        for row in range(2):
            alone = np.asarray(network.interact(users[row : row + 1], items))
            np.testing.assert_allclose(every[row], alone, rtol=1e-5, atol=1e-7)


def _with_feature(kind: FeatureType, size: int) -> EntityTable:
    width = (3,) if kind is FeatureType.CATEGORICAL else (3, 2)
    table = entity_table(["x", "y"])
    return replace(table, columns={"kind": np.zeros(width, np.int32)}, infos={"kind": FeatureInfo(kind, size)})


def _network(users: EntityTable, items: EntityTable) -> WideDeepNetwork:
    return WideDeepNetwork(WideDeepConfig(), users, items)
