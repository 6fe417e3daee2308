"""A server that batches: its config, and that whatever waits is answered before anything ends."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuberec.errors import ConfigError
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import Source
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_table
from tests.serving.conformance.asking import available, reload_request, wait_until
from tests.serving.conformance.models import config_of, model
from tests.serving.conformance.rest.asking import post

# Nothing in these tests fills such a batch.
PATIENT = "max_batch_size { value: 100 } batch_timeout_micros { value: 60000000 }"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "table").mkdir()
    save_table(tmp_path / "table" / "1")
    return tmp_path


def server(models: Path, parameters: str, **options: Any) -> ModelServer:
    file = models / "batching.config"
    file.write_text(parameters)
    config = config_of([model(models, "table")])
    named = ServerOptions(poll_seconds=0, batching=True, batching_parameters_file=file, **options)
    return ModelServer(Source(lambda: config), named)


def ask(target: str, *rows: float) -> list[float]:
    inputs = {"x": np.array([[row] for row in rows], np.float32)}
    return list(rpc.predict(target, "table", inputs).outputs["sums"].float_val)


def waiting(started: ModelServer, pool: ThreadPoolExecutor) -> Future[list[float]]:
    """A request that waits for others."""
    request = pool.submit(ask, started.address, 1.0)
    wait_until(lambda: "input_batch_size_count{} 1\n" in started.metrics.page())
    return request


def test_requests_of_many_clients_are_answered_each_with_its_own(models: Path) -> None:
    parameters = "max_batch_size { value: 8 } allowed_batch_sizes: 8 max_enqueued_batches { value: 99 }"
    with server(models, parameters, rest_port=0) as started, ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda number: ask(started.address, number, number + 0.5), range(100))
        assert list(answers) == [[number, number + 0.5] for number in range(100)]
        status, text = post(started.rest_address, "/v1/models/table:predict", {"instances": [[1.0, 2.0], [3.0, 4.0]]})
        assert (status, text.count('"sums": 3.0'), text.count('"sums": 7.0')) == (200, 1, 1)


def test_a_server_that_stops_answers_what_waits(models: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with server(models, PATIENT) as started:
            request = waiting(started, pool)
        assert request.result() == [1.0]


def test_a_version_that_is_let_go_answers_what_waits(models: Path) -> None:
    with ThreadPoolExecutor(1) as pool, server(models, PATIENT) as started:
        request = waiting(started, pool)
        assert reload_request(started.address, config_of([])).status.error_code == 0
        assert request.result() == [1.0]
        assert available(started.address, "table") == []


def test_parameters_need_batching(models: Path) -> None:
    (models / "batching.config").touch()
    options = ServerOptions(batching_parameters_file=models / "batching.config")
    words = (
        r"^Failed to start server\. Error: Invalid argument: server_options\.batching_parameters_file is set without"
    )
    with pytest.raises(ConfigError, match=words):
        ModelServer(models, options)


def test_values_that_tf_serving_refuses_end_the_start(models: Path) -> None:
    words = r"^Failed to start server\. Error: Invalid argument: Last entry in allowed_batch_sizes must match"
    with pytest.raises(ConfigError, match=words):
        server(models, "allowed_batch_sizes: 4")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch: 1", "Error parsing text-format tensorflow.serving.BatchingParameters"),
        ("allowed_batch_sizes: 4", "Last entry in allowed_batch_sizes must match max_batch_size"),
    ],
)
def test_a_version_with_wrong_parameters_of_its_own_is_left_out(models: Path, text: str, words: str) -> None:
    (models / "table" / "1" / "batching_params.pbtxt").write_text(text)
    with server(models, "", per_model_batching=True) as started:
        ((version, state, code, message),) = rpc.model_status(started.address, "table")
    assert (version, state, code) == (1, "END", 3)
    assert words in message


def test_only_versions_with_parameters_of_their_own_are_batched_by_them(models: Path) -> None:
    save_table(models / "table" / "2", "max_batch_size { value: 2 }")
    with server(models, "max_batch_size { value: 1 }", per_model_batching=True) as started:
        assert reload_request(started.address, config_of([model(models, "table", "all")])).status.error_code == 0
        started.repository.poll()
        inputs = {"x": np.ones([2, 1], np.float32)}
        for version in (1, 2):
            assert rpc.predict(started.address, "table", inputs, version=version).outputs["sums"].float_val == [
                1.0,
                1.0,
            ]
        assert ":tensorflow:serving:batching_session:wrapped_run_count{} 1\n" in started.metrics.page()
