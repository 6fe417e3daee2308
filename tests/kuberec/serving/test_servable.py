import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kuberec.serving.loading import Loader
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


class Watched:
    """A slow function in the place of another that counts its calls, and those that run at a time."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.running, self.most, self.calls = function, 0, 0, 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(0.1)
        try:
            return self.function(*arguments)
        finally:
            self.running -= 1


def test_of_many_first_requests_one_prepares_the_graph(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Watched(BASE_SESSION._make_callable_from_options)
    monkeypatch.setattr(BASE_SESSION, "_make_callable_from_options", lambda *arguments: make(*arguments))
    servable = Servable("sum", 1, saved / "sum")
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(total, [servable] * 8)) == [[11.0, 22.0]] * 8
    assert make.calls == 1
    servable.retire()


def test_of_many_first_requests_with_a_deadline_one_runs_before_the_others(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Watched(BASE_SESSION._call_tf_sessionrun)
    servable = Servable("sum", 1, saved / "sum")
    monkeypatch.setattr(BASE_SESSION, "_call_tf_sessionrun", lambda *arguments: run(*arguments))
    request = rpc.predict_request("sum", {"a": [1.0], "b": [2.0]})
    with ThreadPoolExecutor(2) as threads:
        together = [threads.submit(predict, servable, request, 60.0) for _ in range(2)]
        assert [future.exception() for future in together] == [None, None]
        assert run.most == 1
        together = [threads.submit(predict, servable, request, 60.0) for _ in range(2)]
        assert [future.exception() for future in together] == [None, None]
    assert run.most == 2  # once it is prepared
    servable.retire()


def test_nobody_waits_for_the_first_run_longer_than_his_time(tmp_path: Path) -> None:
    servable = Servable("loop", 1, save_loop(tmp_path / "loop"))
    endless = threading.Thread(target=_until_late, args=(servable, 5.0))
    endless.start()
    time.sleep(0.5)
    short = rpc.predict_request("loop", {"steps": np.int64(2)})
    assert list(predict(servable, short, timeout=0.5).outputs["count"].int64_val) == [2]
    assert endless.is_alive()
    endless.join()
    servable.retire()


def _until_late(servable: Servable, timeout: float) -> None:
    with pytest.raises(StatusError):
        predict(servable, rpc.predict_request("loop", {"steps": np.int64(2**62)}), timeout=timeout)


def test_a_server_with_a_process_of_its_own_keeps_models_out_of_garbage_collections(saved: Path) -> None:
    try:
        servable = Loader(owns_process=True).load("sum", 1, saved / "sum")
        assert gc.get_freeze_count() > 10_000
        assert total(servable) == [11.0, 22.0]
        servable.retire()
    finally:
        gc.unfreeze()


def test_a_server_in_the_process_of_another_leaves_its_garbage_alone(saved: Path) -> None:
    Loader().load("sum", 1, saved / "sum").retire()
    assert gc.get_freeze_count() == 0


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="SavedModel"):
        Servable("sum", 1, tmp_path)
