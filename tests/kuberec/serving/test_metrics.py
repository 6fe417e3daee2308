"""What is counted and how the page is written; and under which path it is found."""

import threading
from pathlib import Path

import numpy as np
import pytest
from tensorflow_serving.apis import model_management_pb2, prediction_log_pb2

from kuberec.errors import ConfigError
from kuberec.serving.loading import Loader
from kuberec.serving.metrics import Counter, Histogram, Metrics
from kuberec.serving.monitoring import read_metrics_path
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import Source
from kuberec.serving.warmup import TIMEOUTS
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_table, write_warmup
from tests.serving.conformance.models import config_of, model, publish
from tests.serving.conformance.rest.asking import get, post


def test_a_counter_counts_by_its_labels() -> None:
    counter = Counter("request_count", "model_name", "status")
    counter.add("b", "OK")
    counter.add("a", "NOT_FOUND", count=3)
    counter.add("b", "OK")
    assert list(counter.lines()) == [
        ':tensorflow:serving:request_count{model_name="a",status="NOT_FOUND"} 3',
        ':tensorflow:serving:request_count{model_name="b",status="OK"} 2',
    ]
    assert counter.first() == 3


def test_a_histogram_counts_what_is_below_each_limit() -> None:
    histogram = Histogram("batching_session/input_batch_size", [1, 2.5, 4])
    for value in (0, 1, 2, 9):
        histogram.add(value)
    name = ":tensorflow:serving:batching_session:input_batch_size"
    assert list(histogram.lines()) == [
        f'{name}_bucket{{le="1"}} 1',
        f'{name}_bucket{{le="2.5"}} 3',
        f'{name}_bucket{{le="4"}} 3',
        f'{name}_bucket{{le="+Inf"}} 4',
        f"{name}_sum{{}} 12",
        f"{name}_count{{}} 4",
    ]


def test_the_value_of_a_label_may_be_anything() -> None:
    counter = Counter("request_count", "model_name")
    counter.add('a"b\\c\nd')
    assert list(counter.lines()) == [':tensorflow:serving:request_count{model_name="a\\"b\\\\c\\nd"} 1']


def test_the_page_is_ordered_by_name_and_names_what_is_still_empty() -> None:
    lines = Metrics().page().splitlines()
    assert lines == sorted(lines)
    assert len(lines) == len(set(lines)) == 12
    assert all(line.startswith("# TYPE :tensorflow:serving:") for line in lines)


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def ask() -> None:
        for _ in range(2000):
            metrics.record_request("a", "Predict", "GRPC", "OK", 1e-5)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = metrics.page()
    assert ':tensorflow:serving:request_count{model_name="a",status="OK"} 16000\n' in page
    assert 'request_latency_count{model_name="a",API="Predict",entrypoint="GRPC"} 16000\n' in page
    assert 'request_latency_sum{model_name="a",API="Predict",entrypoint="GRPC"} 160000\n' in page


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", None),
        ('prometheus_config { path: "/metrics" }', None),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
    ],
)
def test_the_path_of_the_page_is_configured(tmp_path: Path, text: str, path: str | None) -> None:
    (tmp_path / "monitoring.config").write_text(text)
    assert read_metrics_path(tmp_path / "monitoring.config") == path


def test_a_wrong_monitoring_config_is_named(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus { enable: true }")
    words = (
        r"^Error parsing text-format tensorflow\.serving\.MonitoringConfig: .*Invalid protobuf file: '.*prometheus_conf"
    )
    with pytest.raises(ConfigError, match=words):
        read_metrics_path(file)
    with pytest.raises(ConfigError, match=r"absent cannot be read: .*--monitoring_config_file expects"):
        read_metrics_path(tmp_path / "absent")


def test_a_server_without_a_monitoring_config_shows_no_metrics(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "sum").mkdir()
    publish(saved / "sum", tmp_path / "sum" / "1")
    with ModelServer(tmp_path, ServerOptions(rest_port=0)) as server:
        assert get(server.rest_address, "/monitoring/prometheus/metrics")[0] == 404


def test_questions_about_a_model_count_and_malformed_requests_count_for_none(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "sum").mkdir()
    publish(saved / "sum", tmp_path / "sum" / "1")
    with ModelServer(tmp_path, ServerOptions(rest_port=0)) as server:
        get(server.rest_address, "/v1/models/sum")
        get(server.rest_address, "/v1/models/sum/metadata")
        get(server.rest_address, "/v1/models/nobody")
        post(server.rest_address, "/v1/models/sum", {})
        get(server.rest_address, "/favicon.ico")
        page = server.metrics.page()
    name = ":tensorflow:serving:request_count"
    assert [line for line in page.splitlines() if line.startswith(name)] == [
        f'{name}{{model_name="",status="INVALID_ARGUMENT"}} 1',
        f'{name}{{model_name="nobody",status="NOT_FOUND"}} 1',
        f'{name}{{model_name="sum",status="OK"}} 2',
    ]


def test_warm_up_is_counted(tmp_path: Path) -> None:
    request = rpc.predict_request("any name", {"x": np.ones([2, 2], np.float32)})
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    write_warmup(save_table(tmp_path / "1"), [log, log])
    loader = Loader()
    loader.load("table", 1, tmp_path / "1").retire()
    labels = f'model_path="{tmp_path / "1"}",status="OK"'
    page = loader.metrics.page()
    assert f":tensorflow:serving:model_warmup_records_read{{{labels}}} 2\n" in page
    assert f":tensorflow:serving:model_warmup_latency_count{{{labels}}} 1\n" in page
    times = 2 * len(TIMEOUTS)
    assert (
        f':tensorflow:serving:runtime_latency_count{{model_name="table",API="Predict",runtime="TF1"}} {times}\n' in page
    )


def test_a_reload_tells_by_how_much_a_counter_grew(tmp_path: Path) -> None:
    request = rpc.predict_request("any name", {"x": np.ones([2, 2], np.float32)})
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    (tmp_path / "a").mkdir()
    write_warmup(save_table(tmp_path / "a" / "1"), [log, log])
    names = ["records_read", "latency", "nothing"]
    reload = model_management_pb2.ReloadConfigRequest(
        config=config_of([model(tmp_path, "a")]),
        metric_names=[f"/tensorflow/serving/model_warmup_{name}" for name in names],
    )
    with ModelServer(Source(lambda: config_of([])), ServerOptions(poll_seconds=0)) as server:
        response = rpc.call(server.address, "ModelService", "HandleReloadConfigRequest", reload)
        assert {metric.name.rpartition("_warmup_")[2]: metric.int64_value_increase for metric in response.metric} == {
            "records_read": 2,
            "latency": 0,
            "nothing": 0,
        }
        again = rpc.call(server.address, "ModelService", "HandleReloadConfigRequest", reload)
        assert {metric.int64_value_increase for metric in again.metric} == {0}
