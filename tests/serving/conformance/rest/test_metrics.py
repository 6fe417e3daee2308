"""The page that Prometheus reads: names, labels, buckets; and what is counted."""

import re
from itertools import pairwise
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_management_pb2, regression_pb2

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import SUM, refusal
from tests.serving.conformance.models import base_config
from tests.serving.conformance.rest.asking import get, post, send

PATH = "/monitoring/prometheus/metrics"
PREFIX = ":tensorflow:serving:"
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)\{(.*)\} (\S+)", re.ASCII)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]


def page(rest: str) -> dict[str, dict[Labels, float]]:
    """Values by name within TF Serving and labels; every line of the page must be one that Prometheus reads."""
    samples: dict[str, dict[Labels, float]] = {}
    for line in get(rest, PATH)[1].splitlines():
        if line.startswith("# TYPE "):
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        samples.setdefault(found[1].removeprefix(PREFIX), {})[tuple(LABEL.findall(found[2]))] = float(found[3])
    return samples


def count(rest: str, name: str, **labels: str) -> float:
    """The value of one sample, 0 where there is none yet."""
    return page(rest).get(name, {}).get(tuple(labels.items()), 0.0)


def latencies(rest: str, name: str, **labels: str) -> list[tuple[str, float]]:
    """Limit and count of each bucket."""
    wanted = tuple(labels.items())
    return [(found[-1][1], value) for found, value in page(rest)[f"{name}_bucket"].items() if found[:-1] == wanted]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("request_count", "counter"),
        ("request_latency", "histogram"),
        ("runtime_latency", "histogram"),
        ("request_example_counts", "histogram"),
        ("request_example_count_total", "counter"),
        ("model_warmup_latency", "histogram"),
        ("batching_session:queuing_latency", "histogram"),
        ("batching_session:padding_size", "histogram"),
        ("batching_session:input_batch_size", "histogram"),
        ("batching_session:processed_batch_size", "histogram"),
        ("batching_session:wrapped_run_count", "counter"),
    ],
)
def test_the_page_names_what_there_is(target: str, rest: str, name: str, kind: str) -> None:
    rpc.predict(target, "padded", {"x": np.ones([1, 1], np.float32)})
    assert f"# TYPE {PREFIX}{name} {kind}" in get(rest, PATH)[1].splitlines()


def test_the_page_is_plain_text_without_help(rest: str) -> None:
    status, headers, content = send(rest, "GET", PATH)
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    assert "# HELP" not in content.decode()
    assert content.endswith(b"\n")


def test_requests_are_counted_by_model_and_status(target: str, rest: str) -> None:
    def counts() -> tuple[float, float, float]:
        return (
            count(rest, "request_count", model_name="sum", status="OK"),
            count(rest, "request_count", model_name="sum", status="INVALID_ARGUMENT"),
            count(rest, "request_count", model_name="nobody", status="NOT_FOUND"),
        )

    before = counts()
    rpc.predict(target, "sum", SUM)
    refusal(rpc.predict, target, "sum", {"a": [1.0]})
    refusal(rpc.predict, target, "nobody", SUM)
    assert post(rest, "/v1/models/sum:predict", {"instances": [{"a": 1.0, "b": 2.0}]})[0] == 200
    assert post(rest, "/v1/models/sum:predict", {})[0] == 400
    assert post(rest, "/v1/models/nobody:predict", {"instances": [1.0]})[0] == 404
    assert [after - once for after, once in zip(counts(), before, strict=True)] == [2, 2, 2]


@pytest.mark.parametrize(("api", "entrypoint"), [("Predict", "GRPC"), ("predict", "REST")])
def test_the_latency_of_answered_requests_is_kept(target: str, rest: str, api: str, entrypoint: str) -> None:
    labels = {"model_name": "sum", "API": api, "entrypoint": entrypoint}
    before = count(rest, "request_latency_count", **labels)
    for given in (SUM, {"a": [1.0]}):
        if entrypoint == "REST":
            post(rest, "/v1/models/sum:predict", {"inputs": given})
        else:
            try_to_predict(target, given)
    assert count(rest, "request_latency_count", **labels) == before + 1
    assert count(rest, "request_latency_sum", **labels) > 0
    buckets = latencies(rest, "request_latency", **labels)
    assert [limit for limit, _ in buckets[:4]] == ["10", "18", "32.4", "58.32"]
    assert [limit for limit, _ in buckets[-2:]] == [f"{10 * 1.8**32:g}", "+Inf"]
    assert len(buckets) == 34
    assert all(fewer <= more for (_, fewer), (_, more) in pairwise(buckets))
    assert buckets[-1][1] == before + 1


def try_to_predict(target: str, inputs: dict[str, Any]) -> None:
    try:
        rpc.predict(target, "sum", inputs)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_graph_is_timed_whoever_asks(target: str, rest: str) -> None:
    labels = {"model_name": "sum", "API": "Predict", "runtime": "TF1"}
    before = count(rest, "runtime_latency_count", **labels)
    rpc.predict(target, "sum", SUM)
    post(rest, "/v1/models/sum:predict", {"inputs": SUM})
    assert count(rest, "runtime_latency_count", **labels) == before + 2


def test_examples_are_counted(target: str, rest: str) -> None:
    def counts() -> tuple[float, float]:
        return (
            count(rest, "request_example_count_total", model="examples"),
            count(rest, "request_example_counts_count", model="examples"),
        )

    before = counts()
    example = tf.train.Example(features={"feature": {"x": tf.train.Feature(float_list={"value": [1.0]})}})
    request = regression_pb2.RegressionRequest(input={"example_list": {"examples": [example] * 3}})
    request.model_spec.name = "examples"
    rpc.call(target, "PredictionService", "Regress", request)
    assert [after - once for after, once in zip(counts(), before, strict=True)] == [3, 1]


def test_batches_are_counted(target: str, rest: str) -> None:
    names = ("queuing_latency_count", "input_batch_size_sum", "processed_batch_size_sum", "wrapped_run_count")

    def counts() -> list[float]:
        samples = page(rest)
        values = [sum(samples.get(f"batching_session:{name}", {}).values()) for name in names]
        padding = samples.get("batching_session:padding_size_sum", {})
        return [*values, padding.get((("execution_batch_size", "8"),), 0.0)]

    before = counts()
    rpc.predict(target, "padded", {"x": np.ones([3, 1], np.float32)})
    assert [after - once for after, once in zip(counts(), before, strict=True)] == [1, 3, 8, 1, 5]


def test_a_reload_tells_by_how_much_counters_have_grown(target: str, models: Any) -> None:
    names = ["/tensorflow/serving/batching_session/wrapped_run_count", "/tensorflow/serving/nothing"]
    request = model_management_pb2.ReloadConfigRequest(config=base_config(models), metric_names=names)
    response = rpc.call(target, "ModelService", "HandleReloadConfigRequest", request)
    assert {metric.name: metric.int64_value_increase for metric in response.metric} == dict.fromkeys(names, 0)
