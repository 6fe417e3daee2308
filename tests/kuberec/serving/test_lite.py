"""TensorFlow Lite models: their signatures, types and shapes, and many who ask at once."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kuberec.serving.batching.parameters import BatchingParameters
from kuberec.serving.batching.scheduler import Scheduler
from kuberec.serving.batching.session import Batching
from kuberec.serving.lite import LiteSession
from kuberec.serving.options import ServerOptions
from kuberec.serving.predict import predict
from kuberec.serving.servable import Servable
from kuberec.serving.server import ModelServer
from kuberec.serving.session import SessionOptions
from kuberec.serving.status import StatusError
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import (
    save_lite,
    save_lite_beyond,
    save_lite_metadata,
    save_lite_signatures,
    save_sum,
)
from tests.serving.conformance.rest.asking import post

LITE = SessionOptions(prefer_lite=True, lite_interpreters=2)
ONES = np.ones((3, 2), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`half` without signatures, `named` with some in its metadata, `lite` with three, as version folders."""
    folder = tmp_path_factory.mktemp("lite")
    save_lite(folder / "half")
    save_lite_metadata(folder / "named")
    save_lite_signatures(folder / "lite")
    return folder


@pytest.fixture
def lite(folder: Path) -> Iterator[Servable]:
    servable = Servable("lite", 1, folder / "lite", session=LITE)
    yield servable
    servable.retire()


def ask(servable: Servable, inputs: dict[str, Any], signature: str = "", **arguments: Any) -> dict[str, Any]:
    response = predict(servable, rpc.predict_request(servable.name, inputs, signature), **arguments)
    return {alias: tf.make_ndarray(tensor).tolist() for alias, tensor in response.outputs.items()}


def refused(servable: Servable, inputs: dict[str, Any], signature: str = "") -> str:
    with pytest.raises(StatusError) as caught:
        ask(servable, inputs, signature)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.message


def test_signatures_are_those_of_the_model(lite: Servable) -> None:
    assert sorted(lite.signatures) == ["serving_default", "text", "texts"]
    assert ask(lite, {"a": ONES, "b": np.array([[1, 2]] * 3, np.float32)}) == {
        "total": [[2.0, 3.0]] * 3,
        "first": [[1.0, 1.0]] * 3,
        "equal": [[True, False]] * 3,
    }


def test_an_output_filter_chooses_outputs(lite: Servable) -> None:
    request = rpc.predict_request("lite", {"a": ONES, "b": ONES}, output_filter=["first"])
    assert list(predict(lite, request).outputs) == ["first"]


@pytest.mark.parametrize("texts", [[b"a\0b\0", b"", b"\xff"], []])
def test_texts_keep_every_byte(lite: Servable, texts: list[bytes]) -> None:
    assert ask(lite, {"x": np.array(texts, object)}, "texts") == {"x": texts}


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_inputs_are_resized_to_what_was_sent(lite: Servable, rows: int) -> None:
    given = np.ones((rows, 2), np.float32)
    assert ask(lite, {"a": given, "b": given})["total"] == [[2.0, 2.0]] * rows


def test_a_wrong_type_is_told_as_a_graph_tells_it(lite: Servable) -> None:
    words = "Expects arg[1] to be float but double is provided"
    assert refused(lite, {"a": ONES, "b": ONES.astype(np.float64)}) == words
    assert refused(lite, {"x": np.array([1], np.int32)}, "texts") == "Expects arg[0] to be string but int32 is provided"


def test_after_shapes_that_do_not_fit_others_are_answered(lite: Servable) -> None:
    for _ in range(3):  # each of the two interpreters, and one of them again
        assert "failed to prepare" in refused(lite, {"a": ONES, "b": np.ones((5, 2), np.float32)})
    for _ in range(2):
        assert ask(lite, {"a": ONES, "b": ONES})["total"] == [[2.0, 2.0]] * 3


def test_an_input_of_other_rank_is_refused(lite: Servable) -> None:
    assert refused(lite, {"a": np.float32(1), "b": ONES}) == "a has 2 dimensions, and 0 came"
    assert refused(lite, {"x": np.array([[b"a"]], object)}, "texts") == "x has 1 dimensions, and 2 came"


def test_a_scalar_text_is_refused(lite: Servable) -> None:
    assert refused(lite, {"x": np.array(b"a", object)}, "text") == (
        "x is a scalar string, which TensorFlow Lite cannot take"
    )


def test_many_ask_at_once(lite: Servable) -> None:
    def total(number: int) -> bool:
        given = np.full((1 + number % 7, 2), number, np.float32)
        return bool(ask(lite, {"a": given, "b": given})["total"] == (given + given).tolist())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(total, range(400)))


def test_a_wait_for_an_interpreter_ends_with_the_deadline(folder: Path) -> None:
    session = LiteSession(folder / "lite" / "model.tflite", 1)
    names = [session.signatures["texts"].inputs["x"].name, session.signatures["texts"].outputs["x"].name]
    text = np.array([b"a"], object)
    with session._interpreter(None), pytest.raises(StatusError, match="was free in time") as caught:
        session.run({names[0]: text}, [names[1]], 0.01)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert session.run({names[0]: text}, [names[1]], 10.0)[0].tolist() == [b"a"]
    session.close()
    with pytest.raises(StatusError, match="Session has been closed"):
        session.run({names[0]: text}, [names[1]], None)


def test_without_signatures_there_is_one_of_its_tensors(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    servable = Servable("half", 1, folder / "half", session=LITE)
    ((name, signature),) = servable.signatures.items()
    assert (name, signature.method_name) == ("serving_default", "tensorflow/serving/predict")
    assert [(alias, info.name) for alias, info in signature.inputs.items()] == [("x", "x")]
    assert [dim.size for dim in signature.outputs["y"].tensor_shape.dim] == [1]
    assert ask(servable, {"x": np.array([2, 4, 6], np.float32)}) == {"y": [3.0, 4.0, 5.0]}
    assert caplog.text == ""
    servable.retire()


def test_as_tf_serving_does_it_the_signature_is_of_the_tensors(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = SessionOptions(prefer_lite=True, lite_interpreters=1, lite_signatures=False)
    servable = Servable("lite", 1, folder / "lite", session=options)
    assert sorted(servable.signatures) == ["serving_default"]
    assert sorted(servable.signatures["serving_default"].inputs) == ["serving_default_a", "serving_default_b"]
    assert caplog.text == ""
    servable.retire()


def test_where_signatures_of_its_own_are_served_the_log_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    Servable("lite", 1, folder / "lite", session=LITE).retire()
    assert "TF Serving would make one, serving_default, of its tensors" in caplog.text


@pytest.mark.parametrize("own_signatures", [True, False])
def test_signatures_in_the_metadata_name_the_tensors(
    folder: Path, caplog: pytest.LogCaptureFixture, own_signatures: bool
) -> None:
    options = SessionOptions(prefer_lite=True, lite_interpreters=1, lite_signatures=own_signatures)
    servable = Servable("named", 1, folder / "named", session=options)
    assert sorted(servable.signatures) == ["other", "serving_default"]
    assert {signature.method_name for signature in servable.signatures.values()} == {"tensorflow/serving/predict"}
    assert ask(servable, {"x": np.array([[2]], np.float32)}) == {"y": [[3.0]]}
    assert ask(servable, {"input": np.array([[4]], np.float32)}, "other") == {"output": [[4.0]]}
    assert caplog.text == ""
    servable.retire()


def test_values_with_fewer_dimensions_fill_the_rows_of_the_model(folder: Path) -> None:
    servable = Servable("named", 1, folder / "named", session=LITE)
    assert ask(servable, {"x": np.array([2], np.float32)}) == {"y": [[3.0]]}
    assert ask(servable, {"x": np.array([2, 4], np.float32)}) == {"y": [[3.0], [4.0]]}
    assert ask(servable, {"x": np.float32(2)}) == {"y": [[3.0]]}
    assert refused(servable, {"x": np.ones((1, 1, 1), np.float32)}) == "x has 2 dimensions, and 3 came"
    servable.retire()


def test_requests_share_batches(folder: Path) -> None:
    scheduler = Scheduler(1)
    batching = Batching(scheduler, BatchingParameters(max_batch_size=4, batch_timeout_micros=60_000_000))
    servable = Servable("half", 1, folder / "half", session=LITE, batching=batching)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda number: ask(servable, {"x": np.array([number], np.float32)}), range(4))
        assert [answer["y"] for answer in answers] == [[2.0], [2.5], [3.0], [3.5]]
    servable.retire()


def served(models: Path, *, prefer_lite: bool) -> ModelServer:
    return ModelServer(
        models, ServerOptions(poll_seconds=0, rest_port=0, session=SessionOptions(prefer_lite=prefer_lite))
    )


def test_only_where_it_is_preferred_a_model_is_served(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "half", tmp_path / "half" / "1")
    save_sum(tmp_path / "half" / "2")
    shutil.copytree(folder / "half", tmp_path / "half" / "3")
    with served(tmp_path, prefer_lite=False) as server:
        assert server.repository.available() == {"half": [2]}
    shutil.copytree(tmp_path / "half" / "2", tmp_path / "half" / "3", dirs_exist_ok=True)  # holds both now
    with served(tmp_path, prefer_lite=True) as server:
        assert server.repository.available() == {"half": [3, 2]}
        assert rpc.predict(server.address, "half", {"x": [2.0]}).outputs["y"].float_val[:] == [3.0]
        assert post(server.rest_address, "/v1/models/half:predict", {"instances": [2.0, 4.0]}) == (
            200, '{\n    "predictions": [3.0, 4.0\n    ]\n}',
        )  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x1c\x00\x00\x00TFL3" + b"\x00" * 60])
def test_what_is_no_model_is_an_error_of_its_version(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "half" / "1").mkdir(parents=True)
    (tmp_path / "half" / "1" / "model.tflite").write_bytes(content)
    with served(tmp_path, prefer_lite=True) as server:
        ((version, state, code, _),) = rpc.model_status(server.address, "half")
        assert (version, state, code) == (1, "END", 2)


def test_a_model_with_unknown_operations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Select TensorFlow op"):
        LiteSession(save_lite_beyond(tmp_path / "1") / "model.tflite", 1)


def test_a_version_is_let_go_with_its_last_request(folder: Path) -> None:
    servable = Servable("half", 1, folder / "half", session=LITE)
    entered, go = threading.Event(), threading.Event()

    def slow() -> dict[str, Any]:
        with servable.in_use():
            entered.set()
            assert go.wait(10)
            return ask(servable, {"x": np.array([2], np.float32)})

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(slow)
        assert entered.wait(10)
        servable.retire()
        go.set()
        assert answer.result() == {"y": [3.0]}
