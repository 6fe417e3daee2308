"""Predict over REST, by row and by column."""

import json
from typing import Any

import pytest

from tests.kuberec.serving import rpc
from tests.serving.conformance.rest.asking import error, post

ECHO, SUM = "/v1/models/echo:predict", "/v1/models/sum:predict"


def echoed(rest: str, signature: str, **request: Any) -> Any:
    status, text = post(rest, ECHO, {"signature_name": signature, **request})
    assert status == 200, text
    return json.loads(text)


def test_rows_come_on_one_line(rest: str) -> None:
    assert post(rest, ECHO, {"instances": [1.0, 2.5, 5]}) == (200, '{\n    "predictions": [1.0, 2.5, 5.0\n    ]\n}')
    text = '{\n    "predictions": [[1.0, 2.0], [3.0, 4.0]\n    ]\n}'
    assert post(rest, ECHO, {"instances": [[1.0, 2.0], [3.0, 4.0]]}) == (200, text)


def test_columns_come_line_by_line(rest: str) -> None:
    text = '{\n    "outputs": [\n        [\n            1.0,\n            2.0\n        ]\n    ]\n}'
    assert post(rest, ECHO, {"inputs": [[1.0, 2.0]]}) == (200, text)
    assert post(rest, ECHO, {"inputs": {"x": 1.5}}) == (200, '{\n    "outputs": 1.5\n}')


def test_several_outputs_come_by_name(rest: str) -> None:
    rows = {"instances": [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]}
    assert post(rest, SUM, rows) == (
        200,
        '{\n    "predictions": [\n        {\n            "difference": -1.0,\n            "total": 3.0\n        },\n'
        '        {\n            "difference": -1.0,\n            "total": 7.0\n        }\n    ]\n}',
    )
    columns = {"inputs": {"a": [1.0, 3.0], "b": [2.0, 4.0]}}
    assert json.loads(post(rest, SUM, columns)[1]) == {"outputs": {"difference": [-1.0, -1.0], "total": [3.0, 7.0]}}


def test_both_forms_say_what_grpc_says(target: str, rest: str) -> None:
    response = rpc.predict(target, "recommender", {"user_id": ["ann", "x"]})
    expected = [item.decode() for item in response.outputs["item_ids"].string_val]
    inputs = {"user_id": ["ann", "x"], "k": 3, "exclude_item_ids": [[""]], "history_item_ids": [[""]]}
    answer = json.loads(post(rest, "/v1/models/recommender:predict", {"inputs": inputs})[1])
    assert [item for row in answer["outputs"]["item_ids"] for item in row] == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.2, "0.2"),
        (1 / 3, "0.333333343"),
        (9_000_000.0, "9e+06"),
        (16_777_215, "16777215.0"),
        (0.00003, "3e-05"),
        (-0.0, "-0.0"),
        (1e38, "1e+38"),
    ],
)
def test_floats_have_as_many_digits_as_give_them_back(rest: str, number: float, text: str) -> None:
    assert post(rest, ECHO, {"instances": [number]})[1] == f'{{\n    "predictions": [{text}\n    ]\n}}'


def test_doubles_keep_their_digits(rest: str) -> None:
    status, text = post(rest, ECHO, {"signature_name": "doubles", "instances": [1 / 3, 0.1, 2**53 - 1]})
    assert status == 200
    assert text == '{\n    "predictions": [0.33333333333333331, 0.1, 9007199254740991.0\n    ]\n}'


def test_nan_and_infinity_are_numbers(rest: str) -> None:
    status, text = post(rest, ECHO, '{"instances": [NaN, Infinity, -Infinity]}')
    assert (status, text) == (200, '{\n    "predictions": [NaN, Infinity, -Infinity\n    ]\n}')


def test_bytes_travel_as_base64_where_the_output_is_named_so(rest: str) -> None:
    answer = echoed(rest, "texts", instances=[{"b64": "aGVsbG8="}, {"b64": "w6k"}, "plain"])
    assert answer["predictions"] == [
        {"x": "hello", "x_bytes": {"b64": "aGVsbG8="}},
        {"x": "é", "x_bytes": {"b64": "w6k="}},
        {"x": "plain", "x_bytes": {"b64": "cGxhaW4="}},
    ]


def test_any_text_comes_back(rest: str) -> None:
    text = 'quote " backslash \\ newline \n tab \t unit \x1f slash / snow \u2603 clef \U0001d11e'
    assert echoed(rest, "texts", inputs=[text])["outputs"]["x"] == [text]


def test_truth_and_integers(rest: str) -> None:
    rows = [{"b": True, "i": [1, -2]}, {"b": False, "i": [3, 4]}]
    assert echoed(rest, "several", instances=rows)["predictions"] == rows


@pytest.mark.parametrize("where", ["/versions/1", "/versions/2", ""])
def test_a_path_may_name_the_version(rest: str, where: str) -> None:
    inputs = {"user_id": ["ann"], "k": 1, "exclude_item_ids": [[""]], "history_item_ids": [[""]]}
    status, text = post(rest, f"/v1/models/recommender{where}:predict", {"inputs": inputs})
    assert status == 200
    assert json.loads(text)["outputs"]["scores"] == [[9.0 if where.endswith("1") else 10.0]]


A = {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (ECHO, "", 400, "JSON Parse error: The document is empty"),
        (ECHO, "[]", 400, "JSON Value: [] Is not object"),
        (ECHO, {}, 400, "Missing 'inputs' or 'instances' key"),
        (
            ECHO,
            '{"instances": [], "inputs": 1}',
            400,
            'JSON Value: {\n    "instances": [],\n    "inputs": 1\n} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist ",
        ),
        (
            ECHO,
            {"instances": []},
            400,
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            ECHO,
            {"instances": 1},
            400,
            "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array",
        ),
        (
            ECHO,
            {"signature_name": 1},
            400,
            'JSON Value: {\n    "signature_name": 1\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
        (
            ECHO,
            {"signature_name": "nope", "instances": [1]},
            400,
            'Serving signature name: "nope" not found in signature def',
        ),
        ("/v1/models/nope:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
        (
            "/v1/models/sum/versions/7:predict",
            {"instances": [A]},
            404,
            "Servable not found for request: Specific(sum, 7)",
        ),
        (
            "/v1/models/sum/versions/99999999999999999999:predict",
            {"instances": [A]},
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        (
            "/v1/models/sum/labels/stable:predict",
            {"instances": [A]},
            400,
            "Unrecognized servable version label: stable",
        ),
        (
            ECHO,
            {"inputs": [[1.0], [1.0, 2.0]]},
            400,
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (ECHO, {"inputs": [1.0, [2.0]]}, 400, "Encountered list at unexpected level: 1 expected < 1"),
        (
            ECHO,
            {"inputs": [[1.0], 2.0]},
            400,
            "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (ECHO, {"inputs": ["one"]}, 400, 'JSON Value: "one" Type: String is not of expected type: float'),
        (ECHO, {"inputs": [True]}, 400, "JSON Value: true Type: True is not of expected type: float"),
        (ECHO, {"inputs": [2**24]}, 400, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        (ECHO, {"inputs": [1e39]}, 400, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        (
            ECHO,
            {"signature_name": "texts", "inputs": [{"b64": "?"}]},
            400,
            "Unable to base64 decode",
        ),
        (
            ECHO,
            {"signature_name": "halves", "inputs": [1.0]},
            501,
            "Conversion of JSON Value: 1.0 to type: half",
        ),
        (
            SUM,
            {"instances": [1.0]},
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (
            SUM,
            {"inputs": [1.0]},
            400,
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (SUM, {"inputs": {"a": [1.0]}}, 400, "Missing named input: b in 'inputs' object."),
        (SUM, {"instances": [A, 1.0]}, 400, "Expecting object but got list at item 1 of input list"),
        (
            SUM,
            {"instances": [{"a": 1.0}]},
            400,
            "Failed to process element: 0 of 'instances' list. "
            'JSON object: {\n    "a": 1.0\n} keys must be equal to: a,b',
        ),
    ],
)
def test_a_wrong_request(rest: str, path: str, body: Any, status: int, message: str) -> None:
    assert error(post(rest, path, body)) == (status, message)


@pytest.mark.parametrize(
    ("instances", "ending"),
    [
        ([[1.0], [1.0, 2.0]], "Expecting tensor size: 1 but got: 2"),
        ([[[1.0, 2.0]], [[1.0], [2.0]]], "Expecting shape [1,2] but got: [2,1]"),
        ([1.0, "two"], 'JSON Value: "two" Type: String is not of expected type: float'),
    ],
)
def test_a_row_unlike_the_first(rest: str, instances: Any, ending: str) -> None:
    status, message = error(post(rest, ECHO, {"instances": instances}))
    assert status == 400
    assert message.startswith("Failed to process element: 1 of 'instances' list. Error: ")
    assert message.endswith(ending)


def test_json_that_is_none(rest: str) -> None:
    status, message = error(post(rest, ECHO, '{"instances": [1.0,'))
    assert status == 400
    assert message.startswith("JSON Parse error: ")
    assert " at offset: " in message
