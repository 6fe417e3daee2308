"""Classify and Regress over REST."""

import json
from typing import Any

import pytest

from tests.serving.conformance.rest.asking import error, post

CLASSIFY, REGRESS = "/v1/models/examples:classify", "/v1/models/examples:regress"


def test_classify_gives_label_and_score(rest: str) -> None:
    body = {"signature_name": "classify", "examples": [{"x": 0.0}, {"x": [4.0]}]}
    text = '{\n    "results": [[["low", 2.0], ["low", 0.0]], [["high", 4.0], ["high", 4.0]]\n    ]\n}'
    assert post(rest, CLASSIFY, body) == (200, text)


def test_regress_gives_a_value(rest: str) -> None:
    assert post(rest, REGRESS, {"examples": [{"x": 0.0}, {"x": 4.0}]}) == (200, '{\n    "results": [2.0, 4.0]\n}')


def test_a_context_fills_in_what_the_examples_lack(rest: str) -> None:
    body = {"context": {"x": 2.0}, "examples": [{"y": ["a", {"b64": "AA=="}]}, {"x": 8.0, "flag": True}]}
    assert json.loads(post(rest, REGRESS, body)[1]) == {"results": [3.0, 6.0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        (
            {"examples": 1},
            "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array",
        ),
        ({"examples": []}, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1.0]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": {"y": 1}}]}, "Feature: x has element with unexpected JSON type: Object"),
        ({"examples": [{"x": [1.0, 1]}]}, "Unexpected element type in feature: x expecting type: float"),
        ({"examples": [{"x": [1, "a"]}]}, "Unexpected element type in feature: x expecting type: int64"),
        ({"examples": [{"x": ["a", 1.0]}]}, "Unexpected element type in feature: x expecting type: bytes"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"signature_name": "nope", "examples": [{"x": 1.0}]}, "No signature was found with the name: nope"),
    ],
)
def test_a_wrong_request(rest: str, body: Any, message: str) -> None:
    assert error(post(rest, REGRESS, body)) == (400, message)
