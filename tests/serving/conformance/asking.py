"""Requests and their refusals, in as few words as a test wants."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_management_pb2

from tests.kuberec.serving import rpc
from tests.serving.conformance.models import config_of

WAIT_SECONDS = 20.0
SUM = {"a": [1.0], "b": [2.0]}
USER = {"user_id": ["ann"]}


def reload(target: str, models: list[Any]) -> None:
    """HandleReloadConfigRequest with these models, which must be taken over."""
    response = reload_request(target, config_of(models))
    assert (response.status.error_code, response.status.error_message) == (0, "")


def reload_request(target: str, config: Any) -> Any:
    """HandleReloadConfigRequest."""
    request = model_management_pb2.ReloadConfigRequest(config=config)
    return rpc.call(target, "ModelService", "HandleReloadConfigRequest", request)


def refusal(function: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[str, str]:
    """Code and words with which a call is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        function(*arguments, **named)
    return caught.value.code().name, caught.value.details()


def ask_label(target: str, model: str, label: str, inputs: dict[str, Any]) -> int:
    """Predict by label; the version that answers."""
    request = rpc.predict_request(model, {name: tf.make_tensor_proto(value) for name, value in inputs.items()})
    request.model_spec.version_label = label
    return int(rpc.send_predict(target, request).model_spec.version.value)


def available(target: str, model: str) -> list[int]:
    """The available versions, newest first; none where the model is unknown."""
    try:
        states = rpc.model_status(target, model)
    except grpc.RpcError:
        return []
    return [version for version, state, _, _ in states if state == "AVAILABLE"]


def wait_until(condition: Callable[[], bool]) -> None:
    """Give the server time to get there."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "the server did not get there in time"
        time.sleep(0.02)


def wait_for(target: str, model: str, versions: list[int]) -> None:
    """Wait until exactly these versions are available."""
    wait_until(lambda: available(target, model) == versions)


def folder_of(models: Path, name: str) -> Path:
    """An empty base path for a test's own model."""
    folder = models / name
    folder.mkdir()
    return folder
