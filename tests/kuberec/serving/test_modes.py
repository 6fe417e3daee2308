"""What the default mode isolates, what strict mode does as TF Serving does, and what the log says about it."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from kuberec.errors import ServingError
from kuberec.serving.model import NO_RETRIES, Retries
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import Source, config_file
from kuberec.serving.testing import FAST_POLL_SECONDS, model_server
from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import (
    SUM,
    USER,
    ask_label,
    available,
    refusal,
    reload_request,
    wait_for,
    wait_until,
)
from tests.serving.conformance.models import config_of, model, publish


@pytest.fixture
def models(saved: Path, tmp_path: Path) -> Path:
    """`recommender` version 1, `broken`, and the empty `sum`."""
    publish_new(saved / "recommender", tmp_path / "recommender" / "1")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "saved_model.pb").write_bytes(b"no graph")
    (tmp_path / "sum").mkdir()
    return tmp_path


def publish_new(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    publish(source, target)


def server(
    *configs: Any, strict: bool = False, labels_may_wait: bool = False, retries: Retries = NO_RETRIES
) -> ModelServer:
    options = ServerOptions(
        poll_seconds=FAST_POLL_SECONDS, strict=strict, allow_unavailable_labels=labels_may_wait, retries=retries
    )
    return ModelServer(Source(lambda: config_of(configs)), options)


def test_by_default_a_broken_model_is_left_out_and_the_log_says_what_tf_serving_would_do(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with server(model(models, "broken"), model(models, "recommender")) as started:
        assert available(started.address, "recommender") == [1]
    words = (
        "TF Serving would not start: 1 servable(s) did not become available: {{{name: broken version: 1} due to error"
    )
    assert words in caplog.text


def test_in_strict_mode_a_broken_model_ends_the_start(models: Path) -> None:
    words = r"^Failed to start server\. Error: Unknown: 1 servable\(s\) did not become available: \{\{\{name: broken "
    started = server(model(models, "broken"), model(models, "recommender"), strict=True)
    with pytest.raises(ServingError, match=words):
        started.start()
    started.stop(0)


def test_in_strict_mode_a_failed_version_is_tried_again(saved: Path, models: Path) -> None:
    started = server(model(models, "broken"), strict=True, retries=Retries(1000, 0.02))
    starting = threading.Thread(target=started.start)
    starting.start()
    wait_until(lambda: loading(started, "broken"))
    shutil.rmtree(models / "broken" / "1")
    shutil.copytree(saved / "sum", models / "broken" / "1")
    starting.join(20)
    assert available(started.address, "broken") == [1]
    started.stop(0)


def loading(started: ModelServer, name: str) -> bool:
    return name in started.repository.available()


def test_by_default_a_missing_base_path_holds_up_no_other_model(
    saved: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with server(model(models, "absent"), model(models, "recommender")) as started:
        publish(saved / "recommender", models / "recommender" / "2")
        wait_for(started.address, "recommender", [2])
        publish_new(saved / "sum", models / "absent" / "1")
        wait_for(started.address, "absent", [1])
    assert caplog.text.count(f"The base path {models}/absent of model absent cannot be read") == 1
    assert "TF Serving would look for no new version of any of them" in caplog.text
    assert "Model absent has no version yet; TF Serving would wait for one before it answers" in caplog.text


def test_in_strict_mode_a_missing_base_path_stops_the_polling_of_every_model(
    saved: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(saved / "sum", models / "sum" / "1")
    with server(model(models, "sum"), model(models, "recommender"), strict=True) as started:
        shutil.move(models / "sum", models / "away")
        wait_until(lambda: "Could not find base path" in caplog.text)
        publish(saved / "recommender", models / "recommender" / "2")
        started.repository.poll()
        assert available(started.address, "recommender") == [1]
        assert available(started.address, "sum") == [1]
        shutil.move(models / "away", models / "sum")
        wait_for(started.address, "recommender", [2])
    words = "FileSystemStoragePathSource encountered a filesystem access error: Could not find base path "
    assert caplog.text.count(f"{words}{models}/sum for servable sum with error") == 1


def test_a_specific_version_that_is_not_there_is_named_once(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with server(model(models, "recommender", [1, 7])) as started:
        started.repository.poll()
        assert available(started.address, "recommender") == [1]
    words = (
        "Version 7 of servable recommender, which was requested to be served as a 'specific' version in the servable's"
    )
    assert caplog.text.count(words) == 1
    assert "Version 1 of servable" not in caplog.text


def test_in_strict_mode_the_start_waits_for_a_version(saved: Path, models: Path) -> None:
    started = server(model(models, "sum"), strict=True)
    starting = threading.Thread(target=started.start)
    starting.start()
    wait_until(lambda: loading(started, "sum"))
    assert starting.is_alive()
    publish(saved / "sum", models / "sum" / "1")
    starting.join(20)
    assert available(started.address, "sum") == [1]
    started.stop(0)


def test_a_server_that_waits_for_a_model_can_be_stopped(models: Path, write: Callable[[str], Path]) -> None:
    path = write(text_of(model(models, "recommender")))
    options = ServerOptions(poll_seconds=FAST_POLL_SECONDS, strict=True)
    started = ModelServer(config_file(path, poll_seconds=FAST_POLL_SECONDS), options)
    started.start()
    write(text_of(model(models, "recommender"), model(models, "sum")))
    wait_until(lambda: loading(started, "sum"))
    stopping = threading.Thread(target=started.stop, daemon=True)
    stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()


def labelled(models: Path, version: int) -> Any:
    return model(models, "recommender", labels={"stable": version})


def test_in_strict_mode_a_label_at_the_start_ends_it(models: Path) -> None:
    started = server(labelled(models, 1), strict=True)
    words = "Error: Failed precondition: Request to assign label to version 1 of model recommender, which is not curr"
    with pytest.raises(ServingError, match=words):
        started.start()
    started.stop(0)


def test_by_default_a_label_at_the_start_waits_for_its_version(
    saved: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with server(labelled(models, 2)) as started:
        absent = ("NOT_FOUND", "Servable not found for request: Specific(recommender, 2)")
        assert refusal(ask_label, started.address, "recommender", "stable", USER) == absent
        publish(saved / "recommender", models / "recommender" / "2")
        wait_for(started.address, "recommender", [2])
        assert ask_label(started.address, "recommender", "stable", USER) == 2
    assert "TF Serving would not start without --allow_version_labels_for_unavailable_models" in caplog.text


def test_labels_that_may_wait_may_not_move_to_what_is_not_there(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with server(labelled(models, 1), strict=True, labels_may_wait=True) as started:
        assert ask_label(started.address, "recommender", "stable", USER) == 1
        new = model(models, "recommender", labels={"stable": 1, "canary": 9})
        reload_request(started.address, config_of([new]))
        assert refusal(reload_request, started.address, config_of([labelled(models, 9)])) == (
            "FAILED_PRECONDITION",
            "Request to assign label to version 9 of model recommender, which is not currently available for inference",
        )
    assert "would not start without" not in caplog.text


def test_before_the_first_config_there_are_no_labels(models: Path, tmp_path: Path) -> None:
    (tmp_path / "models.config").touch()
    with ModelServer(config_file(tmp_path / "models.config")) as started:
        early = ("UNAVAILABLE", "Model labels does not init yet.stable")
        assert refusal(ask_label, started.address, "recommender", "stable", USER) == early
        reload_request(started.address, config_of([model(models, "recommender")]))
        known = ("INVALID_ARGUMENT", "Unrecognized servable version label: stable")
        assert refusal(ask_label, started.address, "recommender", "stable", USER) == known


@pytest.fixture
def write(models: Path) -> Callable[..., Path]:
    """Writes `models.config` as a whole."""

    def write(text: str) -> Path:
        (models / ".models.config").write_text(text)
        return (models / ".models.config").rename(models / "models.config")

    return write


def text_of(*configs: Any) -> str:
    return str(text_format.MessageToString(config_of(configs)))


def test_the_config_file_is_polled_and_a_bad_one_changes_nothing(
    saved: Path, models: Path, write: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    publish(saved / "sum", models / "sum" / "1")
    path = write(text_of(model(models, "recommender")))
    with ModelServer(config_file(path, poll_seconds=FAST_POLL_SECONDS)) as started:
        assert available(started.address, "sum") == []
        write(text_of(model(models, "recommender"), model(models, "sum")))
        wait_for(started.address, "sum", [1])
        write("model_config_list {")
        wait_until(lambda: "The config stays as it was: Error parsing text-format" in caplog.text)
        path.unlink()
        wait_until(lambda: "The config stays as it was: The model config file" in caplog.text)
        write(text_of(model(models, "sum"), model(models, "sum")))
        wait_until(lambda: "Illegal to list model sum multiple times" in caplog.text)
        assert available(started.address, "sum") == [1]
        write(text_of(model(models, "sum")))
        wait_for(started.address, "recommender", [])
        assert available(started.address, "sum") == [1]


def test_without_polling_the_config_file_is_read_once(models: Path, write: Callable[[str], Path]) -> None:
    path = write(text_of(model(models, "recommender")))
    options = ServerOptions(poll_seconds=FAST_POLL_SECONDS)
    with ModelServer(config_file(path), options) as started:
        write("no config")
        started.repository.poll()
        assert available(started.address, "recommender") == [1]


def test_a_label_follows_a_polled_config_once_its_version_is_there(
    saved: Path, models: Path, write: Callable[[str], Path]
) -> None:
    both = model(models, "recommender", "all", labels={"stable": 1})
    path = write(text_of(both))
    options = ServerOptions(poll_seconds=FAST_POLL_SECONDS)
    with ModelServer(config_file(path, poll_seconds=FAST_POLL_SECONDS), options) as started:
        both.version_labels["stable"] = 2
        write(text_of(both))
        publish(saved / "recommender", models / "recommender" / "2")
        wait_until(lambda: ask_label(started.address, "recommender", "stable", USER) == 2)


def test_a_repository_folder_cannot_be_reloaded(models: Path) -> None:
    with model_server(models) as target:
        code, message = refusal(reload_request, target, config_of([model(models, "sum")]))
        assert code == "FAILED_PRECONDITION"
        assert "start it with --model_config_file" in message
        assert refusal(rpc.predict, target, "sum", SUM)[0] == "NOT_FOUND"
