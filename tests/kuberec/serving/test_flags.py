"""What a server does otherwise when flags of tensorflow_model_server tell it to."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, prediction_log_pb2, regression_pb2

from kuberec.serving.loading import Loader
from kuberec.serving.options import ServerOptions
from kuberec.serving.servable import Servable
from kuberec.serving.server import ModelServer
from kuberec.serving.session import SessionOptions
from kuberec.serving.status import StatusError
from kuberec.serving.warmup import TIMEOUTS
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_sum, save_tagged, write_warmup
from tests.serving.conformance.asking import refusal
from tests.serving.conformance.rest.asking import error, post

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress"))
EXAMPLES: dict[str, Any] = {"example_list": {"examples": [tf.train.Example()]}}
TEXT = {"inputs": tf.constant([b""])}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """`sum` version 1."""
    (tmp_path / "sum").mkdir()
    save_sum(tmp_path / "sum" / "1")
    return tmp_path


def test_numbers_come_as_tensor_content(models: Path) -> None:
    options = ServerOptions(poll_seconds=0, rest_port=0, tensor_content=True)
    with ModelServer(models, options) as server:
        outputs = rpc.predict(server.address, "sum", {"x": tf.constant([0, 1], tf.int64)}, signature="types").outputs
        assert outputs["float32"].tensor_content == b"\0\0\0\0\0\0\x80\x3f"
        assert outputs["bool"].tensor_content == b"\0\x01"
        assert (list(outputs["string"].string_val), outputs["string"].tensor_content) == ([b"0", b"1"], b"")
        assert len(outputs) == 12
        assert all(tf.make_ndarray(tensor).astype(float).tolist() == [0, 1] for tensor in outputs.values())
        assert post(server.rest_address, "/v1/models/sum:predict", {"instances": [{"a": 1, "b": 2}]})[0] == 200


def call(target: str, procedure: str, signature: str) -> Any:
    """A procedure with one empty tf.Example."""
    spec = {"name": "tagged", "signature_name": signature}
    requests: dict[str, Callable[[], Any]] = {
        "Predict": lambda: rpc.predict_request("tagged", TEXT, signature),
        "Classify": lambda: classification_pb2.ClassificationRequest(model_spec=spec, input=EXAMPLES),
        "Regress": lambda: regression_pb2.RegressionRequest(model_spec=spec, input=EXAMPLES),
        "MultiInference": lambda: inference_pb2.MultiInferenceRequest(
            tasks=[{"model_spec": spec, "method_name": CLASSIFY}], input=EXAMPLES
        ),
    }
    return rpc.call(target, "PredictionService", procedure, requests[procedure]())


REFUSED = [
    (
        "Predict", "odd", "INTERNAL",
        f"Expected prediction signature method_name to be one of {{{PREDICT}, {CLASSIFY}, {REGRESS}}}. Was: odd",
    ),
    (
        "Classify", "scores", "INVALID_ARGUMENT",
        f"Expected classification signature method_name to be {CLASSIFY}. Was: {PREDICT}",
    ),
    (
        "Regress", "serving_default", "INVALID_ARGUMENT",
        f"Expected regression signature method_name to be {REGRESS}. Was: {PREDICT}",
    ),
    (
        "MultiInference", "scores", "INVALID_ARGUMENT",
        f"Expected classification signature method_name to be {CLASSIFY}. Was: {PREDICT}",
    ),
]  # fmt: skip


def test_a_signature_answers_the_procedures_of_its_method_name_only_when_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "tagged").mkdir()
    save_tagged(tmp_path / "tagged" / "1")
    with ModelServer(tmp_path, ServerOptions(poll_seconds=0)) as server:
        for procedure, signature, _, _ in REFUSED:
            call(server.address, procedure, signature)
    with ModelServer(tmp_path, ServerOptions(poll_seconds=0, rest_port=0, checks_methods=True)) as server:
        for procedure, signature, code, words in REFUSED:
            assert refusal(call, server.address, procedure, signature) == (code, words)
        for procedure in ("Predict", "Regress"):
            call(server.address, procedure, "regress")
        for procedure in ("Predict", "Classify", "MultiInference"):
            call(server.address, procedure, "classify")
        path = "/v1/models/tagged:predict"
        assert error(post(server.rest_address, path, {"signature_name": "odd", "instances": [""]})) == (
            500, REFUSED[0][3],
        )  # fmt: skip


def test_the_graph_with_all_the_tags_is_loaded(tmp_path: Path) -> None:
    save_tagged(tmp_path / "1", ["serve", "gpu"])
    Servable("tagged", 1, tmp_path / "1", session=SessionOptions(tags=("serve", "gpu"))).retire()
    with pytest.raises(RuntimeError, match="serve"):
        Servable("tagged", 1, tmp_path / "1")


THREADS = """
import os, pathlib, sys
from kuberec.serving.session import SessionOptions

intra, inter = map(int, sys.argv[2:])
session = SessionOptions(intra_op_threads=intra, inter_op_threads=inter).open(pathlib.Path(sys.argv[1]))
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux lists them")
def test_tensorflow_has_as_many_threads_as_it_is_told(models: Path) -> None:
    # The process's first session decides, so that each count needs a process.
    def count(intra: int, inter: int) -> int:
        words = [sys.executable, "-c", THREADS, str(models / "sum" / "1"), str(intra), str(inter)]
        return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    few = count(1, 1)
    assert count(4, 1) == few + 3
    assert count(1, 3) == few + 2


@pytest.mark.parametrize("runs", [1, 3])
def test_each_warm_up_request_runs_so_often(models: Path, runs: int) -> None:
    request = rpc.predict_request("any name", {"a": [1.0], "b": [2.0]})
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    write_warmup(models / "sum" / "1", [log, log])
    loader = Loader(warmup_runs=runs)
    loader.load("sum", 1, models / "sum" / "1").retire()
    page, times = loader.metrics.page(), 2 * runs * len(TIMEOUTS)
    assert f':runtime_latency_count{{model_name="sum",API="Predict",runtime="TF1"}} {times}\n' in page
    assert f':model_warmup_records_read{{model_path="{models / "sum" / "1"}",status="OK"}} 2\n' in page


def test_without_warm_up_nothing_runs(models: Path) -> None:
    write_warmup(models / "sum" / "1", [prediction_log_pb2.PredictionLog()])
    with pytest.raises(StatusError, match="Unsupported log_type"):
        Loader().load("sum", 1, models / "sum" / "1")
    Loader(warmup_runs=0).load("sum", 1, models / "sum" / "1").retire()
