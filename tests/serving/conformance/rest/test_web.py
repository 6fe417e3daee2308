"""Paths, status, metadata, compression and CORS."""

import gzip
import http.client
import json

import pytest

from tests.serving.conformance.rest.asking import error, get, post, send

SUM = json.dumps({"instances": [{"a": 1.0, "b": 2.0}]})


def test_status_of_a_version(rest: str) -> None:
    entry = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/sum", "/v1/models/sum/versions/123"):
        status, text = get(rest, path)
        assert (status, json.loads(text)) == (200, {"model_version_status": [entry]})


def test_status_lists_the_newest_version_first(rest: str) -> None:
    versions = json.loads(get(rest, "/v1/models/recommender")[1])["model_version_status"]
    assert [entry["version"] for entry in versions if entry["state"] == "AVAILABLE"] == ["2", "1"]


def test_metadata(rest: str) -> None:
    status, text = get(rest, "/v1/models/sum/metadata")
    answer = json.loads(text)
    assert status == 200
    assert answer["model_spec"] == {"name": "sum", "signature_name": "", "version": "123"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["a"] == {
        "name": "serving_default_a:0",
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/models/nope", "Could not find any versions of model nope"),
        ("/v1/models/sum/versions/7", "Could not find version 7 of model sum"),
        ("/v1/models/nope/metadata", "Servable not found for request: Latest(nope)"),
    ],
)
def test_what_is_not_there(rest: str, path: str, message: str) -> None:
    assert error(get(rest, path)) == (404, message)


def test_a_path_may_be_escaped_and_of_any_case(rest: str) -> None:
    assert post(rest, "/V1/MODELS/s%75m:Predict", SUM)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/"),
        ("GET", "/v1/models/sum:predict"),
        ("POST", "/v1/models/sum"),
        ("POST", "/v1/models/sum:explain"),
        ("POST", "/v1/models/sum/versions/x:predict"),
        ("PUT", "/v1/models/sum:predict"),
        ("DELETE", "/v1/models/sum"),
    ],
)
def test_a_malformed_request(rest: str, method: str, path: str) -> None:
    status, _, content = send(rest, method, path, SUM)
    assert error((status, content.decode())) == (400, f"Malformed request: {method} {path}")


def test_other_paths_are_not_found(rest: str) -> None:
    assert get(rest, "/v2/models")[0] == 404


def test_an_error_is_json_with_one_key(rest: str) -> None:
    text = '{\n    "error": "Malformed request: GET /v1/"\n}'
    status, headers, content = send(rest, "GET", "/v1/")
    assert (status, headers["Content-Type"], content.decode()) == (400, "application/json", text)


def test_a_connection_serves_many_requests(rest: str) -> None:
    connection = http.client.HTTPConnection(rest, timeout=30)
    for _ in range(3):
        connection.request("POST", "/v1/models/sum:predict", SUM)
        assert json.loads(connection.getresponse().read())["predictions"] == [{"difference": -1.0, "total": 3.0}]
    connection.close()


def test_a_request_may_be_compressed(rest: str) -> None:
    status, _, content = send(
        rest, "POST", "/v1/models/sum:predict", gzip.compress(SUM.encode()), {"Content-Encoding": "gzip"}
    )
    assert status == 200
    assert json.loads(content)["predictions"][0]["total"] == 3.0


def test_an_answer_is_compressed_for_a_client_that_takes_it(rest: str) -> None:
    values = [float(number) for number in range(2000)]
    body = json.dumps({"instances": values})
    _, headers, content = send(rest, "POST", "/v1/models/echo:predict", body, {"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(content))["predictions"] == values
    assert "Content-Encoding" not in send(rest, "POST", "/v1/models/echo:predict", body)[1]


def test_pages_of_any_origin_may_ask(rest: str) -> None:
    status, headers, _ = send(rest, "OPTIONS", "/v1/models/sum:predict", headers={"Origin": "https://shop.example"})
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"


def test_a_preflight_without_an_origin(rest: str) -> None:
    status, _, content = send(rest, "OPTIONS", "/v1/models/sum:predict")
    assert error((status, content.decode())) == (400, "Origin header is missing in CORS preflight")
