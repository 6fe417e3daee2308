"""HandleReloadConfigRequest: order, codes and words."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.config import logging_config_pb2, model_server_config_pb2

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import SUM, USER, ask_label, available, refusal, reload, reload_request, wait_for
from tests.serving.conformance.models import base_config, config_of, model


@pytest.fixture(autouse=True)
def restored(target: str, models: Path) -> Iterator[None]:
    """The first config holds again after each test."""
    yield
    reload_request(target, base_config(models))
    wait_for(target, "recommender", [2, 1])
    wait_for(target, "sum", [123])


def test_the_list_is_replaced_as_a_whole(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all")])
    wait_for(target, "sum", [])
    assert refusal(rpc.predict, target, "sum", SUM) == ("NOT_FOUND", "Servable not found for request: Latest(sum)")
    assert rpc.model_status(target, "sum") == [(123, "END", 0, "")]
    assert available(target, "recommender") == [2, 1]


def test_a_new_model_answers_when_the_reload_returns(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all")])
    wait_for(target, "sum", [])
    second = model(models, "second", base_path=str(models / "sum"))
    reload(target, [model(models, "recommender", "all"), second])
    assert rpc.predict(target, "second", SUM).model_spec.version.value == 123


@pytest.mark.parametrize(
    ("policy", "versions"), [(1, [2]), (2, [2, 1]), ("all", [2, 1]), ([1], [1]), ([1, 2], [2, 1]), ([1, 7], [1])]
)
def test_the_version_policy_chooses(target: str, models: Path, policy: Any, versions: list[int]) -> None:
    reload(target, [model(models, "recommender", policy)])
    wait_for(target, "recommender", versions)


def test_without_a_policy_the_latest_version_is_served(target: str, models: Path) -> None:
    config = model(models, "recommender")
    config.ClearField("model_version_policy")
    reload(target, [config])
    wait_for(target, "recommender", [2])


def test_no_request_fails_while_versions_and_labels_move(target: str, models: Path) -> None:
    stable = [model(models, "recommender", "all", labels={"stable": version}) for version in (1, 2)]
    reload(target, [stable[0]])
    failures: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert ask_label(target, "recommender", "stable", USER) in (1, 2)
            except grpc.RpcError as error:
                failures.append(error.details())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            reload(target, [stable[number % 2], *([model(models, "sum")] if number % 3 else [])])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


def check_refused(target: str, config: Any, code: str, message: str) -> None:
    assert refusal(reload_request, target, config) == (code, message)
    assert rpc.predict(target, "sum", SUM).model_spec.version.value == 123


def test_a_model_listed_twice(target: str, models: Path) -> None:
    check_refused(
        target,
        config_of([model(models, "sum"), model(models, "sum")]),
        "INVALID_ARGUMENT",
        "Illegal to list model sum multiple times in config list",
    )


def test_a_relative_base_path(target: str, models: Path) -> None:
    check_refused(
        target,
        config_of([model(models, "sum", base_path="models/sum")]),
        "INVALID_ARGUMENT",
        "Expected model sum to have an absolute path or URI; got base_path()=models/sum",
    )


def test_a_model_without_a_platform(target: str, models: Path) -> None:
    check_refused(
        target,
        config_of([model(models, "sum", model_platform="")]),
        "INVALID_ARGUMENT",
        "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
        "model name is sum",
    )


def test_the_deprecated_model_type_is_a_platform(target: str, models: Path) -> None:
    old = model(models, "sum", model_platform="", model_type=model_server_config_pb2.TENSORFLOW)
    reload(target, [old])
    assert available(target, "sum") == [123]


def test_a_model_that_changes_its_platform(target: str, models: Path) -> None:
    check_refused(
        target,
        config_of([model(models, "sum", model_platform="pytorch")]),
        "INVALID_ARGUMENT",
        "Illegal to change a model's platform. For model sum platform was tensorflow and new platform requested is "
        "pytorch",
    )


def test_a_new_model_of_an_unknown_platform(target: str, models: Path) -> None:
    config = config_of([*base_config(models).model_config_list.config, model(models, "new", model_platform="pytorch")])
    check_refused(target, config, "INVALID_ARGUMENT", "Model new requests unsupported platform pytorch")


def test_request_logs_are_refused(target: str, models: Path) -> None:
    logged = model(models, "sum", logging_config=logging_config_pb2.LoggingConfig())
    check_refused(target, config_of([logged]), "INVALID_ARGUMENT", "No request-logger-creator provided.")


def test_a_config_that_is_no_list(target: str) -> None:
    check_refused(
        target,
        model_server_config_pb2.ModelServerConfig(),
        "INVALID_ARGUMENT",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported",
    )


def test_a_new_model_that_cannot_be_loaded(target: str, models: Path) -> None:
    config = config_of([*base_config(models).model_config_list.config, model(models, "broken")])
    code, message = refusal(reload_request, target, config)
    assert code == "UNKNOWN"
    assert message.startswith("1 model(s) did not become available: {{{name: broken version: 1} due to error: ")
    assert message.endswith("}, }")
    assert rpc.predict(target, "sum", SUM).model_spec.version.value == 123
    ((version, state, number, _),) = rpc.model_status(target, "broken")
    assert (version, state) == (1, "END")
    assert number != 0
