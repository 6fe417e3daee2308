"""Allow lists, deny lists and categories of a served model."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from kuberec.client import Client
from kuberec.export import export
from kuberec.exporting.parity import UNKNOWN_ID, Served
from kuberec.exporting.signatures import RECOMMEND
from kuberec.serving.testing import model_server
from kuberec.train import train
from tests.contracts import FAST, GROUPS, ITEMS, Data, tastes

__all__ = ["tastes"]


@pytest.fixture(scope="module")
def exported(tastes: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("restrictions")
    train(tastes.folder, root / "model", family="matrix_factorization", overrides=FAST | {"epochs": 1})
    export(root / "model", tastes.folder, root / "export")
    return root / "export"


@pytest.fixture(scope="module")
def served(exported: Path) -> Served:
    return Served(exported)


def lists(served: Served, users: list[str], **inputs: Any) -> list[list[str]]:
    """Every item that each user is recommended, best first."""
    rows = served.ranked(RECOMMEND, user_id=users, k=ITEMS, **inputs).item_ids.tolist()
    return [[item for item in row if item] for row in rows]


def test_an_allow_list_keeps_the_order_of_its_items(served: Served) -> None:
    allowed = {"i4", "i5", "i30"}
    (every,) = lists(served, [UNKNOWN_ID])
    assert lists(served, [UNKNOWN_ID], allow_item_ids=[sorted(allowed)]) == [[i for i in every if i in allowed]]


def test_one_row_holds_for_every_user(served: Served) -> None:
    found = lists(served, ["nobody", UNKNOWN_ID], allow_item_ids=[["i4"]], exclude_item_ids=[["i5"]])
    assert found == [["i4"], ["i4"]]


def test_a_row_of_padding_restricts_nothing_and_unknown_names_allow_nothing(served: Served) -> None:
    (every,) = lists(served, [UNKNOWN_ID])
    for name in ("allow_item_ids", "categories"):
        assert lists(served, [UNKNOWN_ID] * 2, **{name: [["", ""], ["", "never heard of"]]}) == [every, []]


def test_a_category_is_a_value_of_a_feature(served: Served) -> None:
    (found,) = lists(served, [UNKNOWN_ID], categories=[["group=g1"]])
    assert sorted(found) == sorted(f"i{item}" for item in range(ITEMS) if item % GROUPS == 1)


def test_several_categories_join_their_items(served: Served) -> None:
    (found,) = lists(served, [UNKNOWN_ID], categories=[["group=g1", "", "group=g2"]])
    assert sorted(found) == sorted(f"i{item}" for item in range(ITEMS) if item % GROUPS != 0)


def test_restrictions_hold_together(served: Served) -> None:
    inputs = {"categories": [["group=g1"]], "allow_item_ids": [["i1", "i2", "i4"]], "exclude_item_ids": [["i4"]]}
    assert lists(served, [UNKNOWN_ID], **inputs) == [["i1"]]


def test_words_of_a_text_are_no_categories(served: Served) -> None:
    assert lists(served, [UNKNOWN_ID], categories=[["title=item"]]) == [[]]


def test_a_client_names_them(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "items" / "1")
    with model_server(tmp_path) as target, Client(target) as client:
        one = client.recommend("items", "nobody", allow=["i1", "i2", "i4"], categories=["group=g1"], exclude=["i4"])
        many = client.recommend_many("items", ["nobody"] * 2, allow=[["i1"], ["i2"]], categories=[["group=g1"]])
    assert one.item_ids == ["i1"]
    assert [answer.item_ids for answer in many] == [["i1"], []]
