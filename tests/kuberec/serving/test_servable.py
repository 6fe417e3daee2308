from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kuberec.serving.predict import predict
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_echo, save_loop

BASE_SESSION = tf.compat.v1.Session.__mro__[1]


def total(servable: Servable) -> list[float]:
    request = rpc.predict_request("sum", {"a": [1.0, 2.0], "b": [10.0, 20.0]})
    return list(predict(servable, request).outputs["total"].float_val)


def test_without_the_fast_way_the_answers_are_the_same(
    saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(BASE_SESSION, "_make_callable_from_options")
    servable = Servable("sum", 1, saved / "sum")
    assert total(servable) == [11.0, 22.0]
    assert total(servable) == [11.0, 22.0]
    assert caplog.text.count("offers no fast calls") == 1
    servable.retire()


def test_as_a_rule_the_fast_way_is_taken(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    servable = Servable("sum", 1, saved / "sum")
    assert total(servable) == [11.0, 22.0]
    assert "offers no fast calls" not in caplog.text
    servable.retire()


def test_a_run_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    servable = Servable("loop", 1, save_loop(tmp_path / "loop"))
    endless = rpc.predict_request("loop", {"steps": np.int64(2**62)})
    with pytest.raises(StatusError, match="Timed out waiting for notification") as caught:
        predict(servable, endless, timeout=0.05)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    short = rpc.predict_request("loop", {"steps": np.int64(2)})
    assert list(predict(servable, short, timeout=60.0).outputs["count"].int64_val) == [2]
    servable.retire()


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_single_text_is_answered_with_its_last_zeros(tmp_path: Path, timeout: float | None) -> None:
    servable = Servable("echo", 1, save_echo(tmp_path / "echo"))
    request = rpc.predict_request("echo", {"x": b"a\x00"}, "texts")
    answer = predict(servable, request, timeout=timeout).outputs["x"]
    assert list(answer.string_val) == [b"a\x00"]
    assert not answer.tensor_shape.dim
    servable.retire()


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="SavedModel"):
        Servable("sum", 1, tmp_path)
