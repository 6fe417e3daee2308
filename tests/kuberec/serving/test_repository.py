"""Versions on disk and the server that watches them."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, prediction_log_pb2, regression_pb2

from kuberec.client import Client, Retry
from kuberec.errors import ServingError
from kuberec.serving.config import folder_config
from kuberec.serving.loading import Loader
from kuberec.serving.options import ServerOptions
from kuberec.serving.predict import predict
from kuberec.serving.repository import ModelRepository
from kuberec.serving.servable import Servable
from kuberec.serving.server import ModelServer
from kuberec.serving.status import StatusError
from kuberec.serving.testing import model_server
from kuberec.serving.warmup import warm_up
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_examples, write_warmup

WAIT_SECONDS = 10.0
FIVE = tf.train.Feature(float_list={"value": [5.0]})


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "the server did not get there in time"
        time.sleep(0.02)


def publish(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}"
    shutil.copytree(source, temporary)
    temporary.rename(target)


@pytest.fixture
def repository(saved: Path, tmp_path: Path) -> Path:
    publish(saved / "recommender", tmp_path / "models" / "recommender" / "1")
    return tmp_path / "models"


def polled(repository: Path) -> ModelRepository:
    models = ModelRepository()
    models.reload(folder_config(repository, kept_versions=2))
    return models


class MeetingLoader(Loader):
    """Loads a version when another one is about to be loaded too."""

    meeting = threading.Barrier(2, timeout=WAIT_SECONDS)

    def load(self, name: str, version: int, path: Path) -> Servable:
        self.meeting.wait()
        return super().load(name, version, path)


def test_models_load_at_the_same_time_in_as_many_threads(repository: Path) -> None:
    publish(repository / "recommender" / "1", repository / "other" / "1")
    models = ModelRepository(loader=MeetingLoader(), load_threads=2)
    models.reload(folder_config(repository, kept_versions=2))
    assert models.available() == {"other": [1], "recommender": [1]}
    models.close()


def version_answering(target: str) -> int:
    with Client(target) as client:
        return client.recommend("recommender", "ann").version


def available(target: str, model: str) -> bool:
    try:
        return rpc.model_status(target, model)[0][1] == "AVAILABLE"
    except grpc.RpcError:
        return False


def test_a_new_version_is_picked_up_while_serving(saved: Path, repository: Path) -> None:
    with model_server(repository) as target:
        assert version_answering(target) == 1
        publish(saved / "raised", repository / "recommender" / "2")
        wait_until(lambda: version_answering(target) == 2)
        assert rpc.predict(target, "recommender", {"user_id": ["ann"]}, version=1).model_spec.version.value == 1


def test_a_new_model_is_picked_up_while_serving(saved: Path, repository: Path) -> None:
    with model_server(repository) as target:
        publish(saved / "sum", repository / "sum" / "1")
        wait_until(lambda: available(target, "sum"))


def test_no_request_fails_while_versions_change(saved: Path, repository: Path) -> None:
    failures: list[str] = []
    versions: set[int] = set()
    done = threading.Event()

    def ask(target: str) -> None:
        with Client(target, retry=Retry(tries=1)) as client:
            while not done.is_set():
                try:
                    versions.add(client.recommend("recommender", "ann").version)
                except ServingError as error:
                    failures.append(str(error))

    with model_server(repository) as target:
        threads = [threading.Thread(target=ask, args=(target,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for version in range(2, 6):
                publish(saved / "recommender", repository / "recommender" / str(version))
                wait_until(lambda version=version: version in versions)  # type: ignore[misc]
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert failures == []


def test_the_two_newest_versions_are_kept_and_older_ones_are_unloaded(saved: Path, repository: Path) -> None:
    models = polled(repository)
    for version in (2, 3):
        publish(saved / "recommender", repository / "recommender" / str(version))
        models.poll()
    assert models.available() == {"recommender": [3, 2]}
    models.close()
    assert models.available() == {"recommender": []}


def test_at_start_only_the_newest_versions_are_loaded(saved: Path, repository: Path) -> None:
    for version in (9, 10):
        publish(saved / "recommender", repository / "recommender" / str(version))
    assert polled(repository).available() == {"recommender": [10, 9]}


def test_a_version_that_left_the_disk_is_unloaded(saved: Path, repository: Path) -> None:
    publish(saved / "recommender", repository / "recommender" / "2")
    models = polled(repository)
    shutil.rmtree(repository / "recommender" / "2")
    models.poll()
    assert models.available() == {"recommender": [1]}


def test_a_repository_that_vanishes_takes_no_model_down(repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    models = polled(repository)
    shutil.rmtree(repository)
    models.poll()
    models.poll()
    assert models.available() == {"recommender": [1]}
    assert caplog.text.count("cannot be read") == 1


@pytest.mark.parametrize("name", ["v2", "2.0", "-2", "2.tmp", ".2", "latest", "²", "99999999999999999999"])
def test_folders_not_named_by_a_number_are_never_served(saved: Path, repository: Path, name: str) -> None:
    shutil.copytree(saved / "raised", repository / "recommender" / name)
    assert polled(repository).available() == {"recommender": [1]}


def test_a_half_copied_version_is_served_once_it_is_whole(saved: Path, repository: Path) -> None:
    models = polled(repository)
    half = repository / "recommender" / "2"
    shutil.copytree(saved / "raised" / "variables", half / "variables")
    models.poll()
    assert models.available() == {"recommender": [1]}
    assert 2 not in models.states(rpc.predict_request("recommender", {}).model_spec)
    shutil.copy(saved / "raised" / "saved_model.pb", half)
    models.poll()
    assert models.available() == {"recommender": [2, 1]}


def test_a_graph_without_its_variables_is_tried_again_when_they_come(
    saved: Path, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = polled(repository)
    half = repository / "recommender" / "2"
    half.mkdir()
    shutil.copy(saved / "raised" / "saved_model.pb", half)
    models.poll()
    models.poll()
    assert models.available() == {"recommender": [1]}
    assert caplog.text.count("recommender version 2 cannot be served") == 1
    shutil.copytree(saved / "raised" / "variables", half / "variables")
    models.poll()
    assert models.available() == {"recommender": [2, 1]}


def test_a_broken_version_harms_no_other_and_shows_its_error(saved: Path, repository: Path) -> None:
    broken = repository / "recommender" / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no graph")
    publish(saved / "sum", repository / "sum" / "1")
    with model_server(repository) as target:
        assert version_answering(target) == 1
        assert len(rpc.predict(target, "sum", {"a": [1.0], "b": [1.0]}).outputs) == 2
        (version, state, code, message), _ = rpc.model_status(target, "recommender")
        assert (version, state) == (2, "END")
        assert code != 0
        assert "saved_model.pb" in message


def test_while_no_newest_version_works_the_last_working_one_goes_on(repository: Path) -> None:
    models = polled(repository)
    for version in ("2", "3"):
        (repository / "recommender" / version).mkdir()
        (repository / "recommender" / version / "saved_model.pb").write_bytes(b"no graph")
    models.poll()
    assert models.available() == {"recommender": [1]}


def predict_log(inputs: dict[str, object]) -> prediction_log_pb2.PredictionLog:
    request = rpc.predict_request("any name", inputs)
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def test_a_version_with_good_warm_up_requests_becomes_available(saved: Path, repository: Path) -> None:
    publish(saved / "recommender", repository / "recommender" / "2")
    write_warmup(repository / "recommender" / "2", [predict_log({"user_id": ["ann"]}), predict_log({"user_id": ["x"]})])
    assert polled(repository).available() == {"recommender": [2, 1]}


def test_warm_up_requests_may_be_of_any_kind(tmp_path: Path) -> None:
    save_examples(tmp_path / "1")
    given = {"example_list": {"examples": [tf.train.Example(features={"feature": {"x": FIVE}})]}}
    spec = {"name": "any name", "signature_name": "classify"}
    classify = classification_pb2.ClassificationRequest(model_spec=spec, input=given)
    regress = regression_pb2.RegressionRequest(input=given)
    task = {"model_spec": spec, "method_name": "tensorflow/serving/classify"}
    infer = inference_pb2.MultiInferenceRequest(tasks=[task], input=given)
    logs = [{"classify_log": {"request": classify}}, {"regress_log": {"request": regress}}]
    logs.append({"multi_inference_log": {"request": infer}})
    write_warmup(tmp_path / "1", [prediction_log_pb2.PredictionLog(**log) for log in logs])
    assert warm_up(Servable("examples", 1, tmp_path / "1"), tmp_path / "1") == 3


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (predict_log({"user": ["ann"]}), "user_id"),
        (predict_log({"user_id": np.array([1], np.int32)}), "Expects arg"),
        (
            prediction_log_pb2.PredictionLog(
                classify_log=prediction_log_pb2.ClassifyLog(request=classification_pb2.ClassificationRequest())
            ),
            "Expected one input Tensor.",
        ),
        (
            prediction_log_pb2.PredictionLog(session_run_log=prediction_log_pb2.SessionRunLog()),
            "Unsupported log_type for warmup: session_run_log",
        ),
    ],
)
def test_a_failing_warm_up_request_keeps_the_version_out(
    saved: Path, repository: Path, log: prediction_log_pb2.PredictionLog, words: str
) -> None:
    publish(saved / "raised", repository / "recommender" / "2")
    write_warmup(repository / "recommender" / "2", [predict_log({"user_id": ["ann"]}), log])
    models = polled(repository)
    assert models.available() == {"recommender": [1]}
    assert words in models.states(rpc.predict_request("recommender", {}).model_spec)[2][2]


def test_a_warm_up_file_that_is_no_tfrecord_keeps_the_version_out(saved: Path, repository: Path) -> None:
    publish(saved / "raised", repository / "recommender" / "2")
    write_warmup(repository / "recommender" / "2", [])
    (repository / "recommender" / "2" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"garbage" * 9)
    models = polled(repository)
    assert models.available() == {"recommender": [1]}
    assert models.states(rpc.predict_request("recommender", {}).model_spec)[2][1] == 15  # DATA_LOSS


def test_an_empty_repository_serves_what_comes(saved: Path, tmp_path: Path) -> None:
    with model_server(tmp_path) as target:
        publish(saved / "recommender", tmp_path / "recommender" / "1")
        wait_until(lambda: available(target, "recommender"))


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="absent is no folder"):
        ModelServer(tmp_path / "absent")


def test_a_port_in_use_is_named(repository: Path) -> None:
    with (
        ModelServer(repository) as first,
        pytest.raises(ServingError, match=f"Cannot listen on 127.0.0.1:{first.port}: it is taken"),
    ):
        ModelServer(repository, ServerOptions(port=first.port))


def test_a_request_in_flight_is_answered_while_its_version_is_retired(repository: Path) -> None:
    models = polled(repository)
    request = rpc.predict_request("recommender", {"user_id": ["ann"]})
    with models.servable(request.model_spec) as servable:
        models.close()
        assert predict(servable, request).outputs["item_ids"].string_val[0] == b"i1"
    with pytest.raises(StatusError, match="Session has been closed"):
        predict(servable, request)
