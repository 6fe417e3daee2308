"""`serve` and `recommend` as a user runs them."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.client import Client
from kuberec.errors import ServingError
from kuberec.serving.model import Retries
from kuberec.serving.options import ServerOptions
from kuberec.serving.session import SessionOptions
from tests.kuberec.cli.conftest import PROGRAM, Kuberec
from tests.kuberec.serving.saved_models import ITEMS, save_recommender

TITLES = pa.table({"item_id": ITEMS, "title": ["One", "Two", "Thrée", None, "Five"]})


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "recommender").mkdir()
    version = save_recommender(folder / "recommender" / "1")
    (version / "assets.extra").mkdir()
    pq.write_table(TITLES, version / "assets.extra" / "titles.parquet")
    return folder


class Server:
    """A running `kuberec serve`."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.first_line = self.process.stdout.readline()

    @property
    def target(self) -> str:
        found = re.search(r"on (localhost:\d+)", self.first_line)
        assert found, self.first_line
        return found[1]

    def stop(self, number: int) -> tuple[int, str]:
        """Exit code and what was left on stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@pytest.fixture(scope="module")
def target(repository: Path) -> Iterator[str]:
    server = Server("--repository", str(repository), "--port", "0")
    yield server.target
    code, err = server.stop(signal.SIGTERM)
    assert code == 0
    assert "recommender version 1 is unloaded" in err


@pytest.mark.slow
def test_ctrl_c_ends_the_server_in_peace(repository: Path) -> None:
    server = Server("--repository", str(repository), "--port", "0")
    with Client(server.target) as client:
        assert client.recommend("recommender", "ann", 1).item_ids == ["i1"]
    code, err = server.stop(signal.SIGINT)
    assert code == 0
    assert "recommender version 1 is available" in err
    assert "Traceback" not in err


def test_a_port_in_use_is_exit_code_7(kuberec: Kuberec, repository: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = kuberec("serve", "--repository", repository, "--port", port)
    assert run.code == 7
    assert f"Error: Cannot listen on 127.0.0.1:{port}" in run.err


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ServerOptions]]:
    """Keeps what a server would have been started with, and starts none."""
    started: list[tuple[Any, ServerOptions]] = []

    def keep(models: Any, options: ServerOptions) -> NoReturn:
        started.append((models, options))
        raise ServingError("no server today")

    monkeypatch.setattr("kuberec.serving.server.ModelServer", keep)
    return started


def test_a_command_line_of_tensorflow_model_server_is_taken_as_it_is(
    kuberec: Kuberec, repository: Path, no_server: list[tuple[Any, ServerOptions]]
) -> None:
    run = kuberec(
        "serve", "--port=9000", "--rest_api_port=8080", "--rest_api_timeout_in_ms=5000",
        "--rest_api_enable_cors_support=true", "--model_name=films",
        f"--model_base_path={repository / 'recommender'}", "--grpc_socket_path=/tmp/films.sock",
        "--file_system_poll_wait_seconds=5", "--allow_version_labels_for_unavailable_models=true", "--enable_batching",
        "--batching_parameters_file=/etc/batching.config", "--enable_per_model_batching_parameters=true",
        "--monitoring_config_file=/etc/monitoring.config", "--enable_profiler=true",
        "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,grpc.lb_policy_name=round_robin",
        "--grpc_max_threads=4", "--num_load_threads=3", "--enable_grpc_healthcheck_service", "--max_num_load_retries=1",
        "--load_retry_interval_micros=500000", "--prefer_tflite_model=true", "--num_tflite_pools=3",
        "--saved_model_tags=serve,gpu", "--tensorflow_session_parallelism=2", "--num_request_iterations_for_warmup=2",
        "--enable_serialization_as_tensor_content=true", "--enable_signature_method_name_check=true",
    )  # fmt: skip
    assert run.err.endswith("Error: no server today\n")
    ((models, options),) = no_server
    (films,) = models.read().model_config_list.config
    assert (films.name, films.base_path) == ("films", str(repository / "recommender"))
    assert options == ServerOptions(
        owns_process=True,
        port=9000,
        rest_port=8080,
        rest_timeout=5.0,
        cors=True,
        socket_path="/tmp/films.sock",
        poll_seconds=5,
        allow_unavailable_labels=True,
        channel_arguments=[("grpc.max_connection_age_ms", 2000), ("grpc.lb_policy_name", "round_robin")],
        threads=4,
        health=True,
        profiler=True,
        batching=True,
        batching_parameters_file=Path("/etc/batching.config"),
        per_model_batching=True,
        monitoring_config_file=Path("/etc/monitoring.config"),
        load_threads=3,
        retries=Retries(1, 0.5),
        session=SessionOptions(
            tags=("serve", "gpu"), intra_op_threads=2, inter_op_threads=2, prefer_lite=True, lite_interpreters=3
        ),
        warmup_runs=2,
        checks_methods=True,
        tensor_content=True,
    )


def test_flags_without_effect_are_named_in_the_log(
    kuberec: Kuberec, repository: Path, no_server: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    words = ["--mixed_precision=bfloat16", "--num_unload_threads=2", "--monitoring_config_file=/etc/monitoring.config"]
    kuberec("serve", *words, "--repository", repository)
    assert [record.getMessage() for record in caplog.records] == [
        "--mixed_precision has no effect: graphs keep their precision",
        "--num_unload_threads has no effect: a version is freed with its last request",
        "--monitoring_config_file has no effect without --rest_api_port",
    ]


def test_a_switch_may_be_written_with_false(
    kuberec: Kuberec, repository: Path, no_server: list[tuple[Any, ServerOptions]]
) -> None:
    kuberec("serve", "--repository", repository, "--enable_grpc_healthcheck_service=false", "--strict=false")
    assert no_server[0][1] == ServerOptions(port=8500, channel_arguments=[], owns_process=True, profiler=True)


@pytest.mark.parametrize(
    ("words", "profiler"),
    [
        ([], True),
        (["--host", "127.0.0.1"], True),
        (["--host", "0.0.0.0"], False),
        (["--host", "0.0.0.0", "--enable_profiler"], True),
        (["--enable_profiler=false"], False),
    ],
)
def test_the_profiler_answers_where_nobody_else_can_ask(
    kuberec: Kuberec, repository: Path, no_server: list[tuple[Any, ServerOptions]], words: list[str], profiler: bool
) -> None:
    kuberec("serve", "--repository", repository, *words)
    assert no_server[0][1].profiler is profiler


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ([], 1),
        (["--enable_model_warmup=false"], 0),
        (["--enable_model_warmup=false", "--num_request_iterations_for_warmup=3"], 0),
        (["--enable_model_warmup=true", "--num_request_iterations_for_warmup=0"], 1),
        (["--enable_model_warmup"], 1),
    ],
)
def test_warm_up_is_on_unless_it_is_turned_off(
    kuberec: Kuberec, repository: Path, no_server: list[tuple[Any, ServerOptions]], words: list[str], runs: int
) -> None:
    kuberec("serve", "--repository", repository, *words)
    assert no_server[0][1].warmup_runs == runs


@pytest.mark.parametrize(
    ("flags", "threads"),
    [
        ({"session": 3}, (3, 3)),
        ({"intra_op": 1}, (1, 0)),
        ({"session": 3, "inter_op": 2}, (0, 2)),
        ({"intra_op": 1, "inter_op": 2}, (1, 2)),
    ],
)
def test_tensorflows_threads_are_chosen_as_tf_serving_chooses_them(
    kuberec: Kuberec,
    repository: Path,
    no_server: list[tuple[Any, ServerOptions]],
    flags: dict[str, int],
    threads: tuple[int, int],
) -> None:
    kuberec("serve", "--repository", repository, *(f"--tensorflow_{name}_parallelism={n}" for name, n in flags.items()))
    session = no_server[0][1].session
    assert (session.intra_op_threads, session.inter_op_threads) == threads


def test_strict_mode_does_as_tf_serving_does(
    kuberec: Kuberec, repository: Path, no_server: list[tuple[Any, ServerOptions]]
) -> None:
    kuberec("serve", "--strict", f"--model_base_path={repository / 'recommender'}")
    options = no_server[0][1]
    assert (options.strict, options.host, options.session.lite_signatures) == (True, "0.0.0.0", False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strict"], "--strict needs --model_config_file or --model_base_path"),
        (["--grpc_channel_arguments=a"], "expected key=value,key=value, got 'a'"),
        ([f"--tensorflow_{name}_parallelism=1" for name in ("session", "intra_op", "inter_op")], "got all three"),
        (["--use_alts_credentials"], "No such option: --use_alts_credentials"),
    ],
)
def test_wrong_flags_are_exit_code_2(kuberec: Kuberec, repository: Path, words: list[str], message: str) -> None:
    run = kuberec("serve", "--repository", repository, *words)
    assert run.code == 2
    assert message in run.err


def test_an_unreadable_config_is_exit_code_2(kuberec: Kuberec, tmp_path: Path) -> None:
    run = kuberec("serve", "--port=0", f"--model_config_file={tmp_path / 'models.config'}")
    assert run.code == 2
    assert "models.config cannot be read" in run.err
    (tmp_path / "models.config").write_text("model_config_list {")
    run = kuberec("serve", "--port=0", f"--model_config_file={tmp_path / 'models.config'}")
    assert run.code == 2
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in run.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--batching_parameters_file=FILE"],
            "Failed to start server. Error: Invalid argument: server_options.batching_parameters_file is set without "
            "setting server_options.enable_batching to true.",
        ),
        (
            ["--batching_parameters_file=FILE", "--enable_batching"],
            "Error parsing text-format tensorflow.serving.BatchingParameters: ",
        ),
        (
            ["--monitoring_config_file=FILE", "--rest_api_port=65535"],
            "Error parsing text-format tensorflow.serving.MonitoringConfig: ",
        ),
    ],
)
def test_a_wrong_config_file_is_exit_code_2(
    kuberec: Kuberec, repository: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "wrong.config").write_text("wrong: 1")
    given = [word.replace("FILE", str(tmp_path / "wrong.config")) for word in words]
    run = kuberec("serve", "--port=0", "--repository", repository, *given)
    assert run.code == 2
    assert message in run.err


def test_a_refused_config_is_exit_code_7(kuberec: Kuberec, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text('model_config_list { config { name: "films" base_path: "films" } }')
    run = kuberec("serve", "--port=0", f"--model_config_file={tmp_path / 'models.config'}")
    assert run.code == 7
    assert "Failed to start server. Error: Invalid argument: Expected model films to have an absolute path" in run.err


def test_a_missing_base_path_is_exit_code_7(kuberec: Kuberec, tmp_path: Path) -> None:
    run = kuberec("serve", "--port=0", f"--model_base_path={tmp_path / 'absent'}")
    assert (run.code, run.out) == (7, "")
    assert "absent is no folder on this machine" in run.err


@pytest.mark.slow
def test_a_models_config_is_served(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(
        f'model_config_list {{ config {{ name: "films" base_path: "{repository / "recommender"}" '
        'model_platform: "tensorflow" version_labels { key: "stable" value: 1 } } }'
    )
    server = Server("--model_config_file", str(tmp_path / "models.config"), "--port", "0")
    with Client(server.target) as client:
        assert client.recommend("films", "ann", 1).item_ids == ["i1"]
    code, err = server.stop(signal.SIGTERM)
    assert code == 0
    assert "films version 1 is unloaded" in err


def test_a_missing_repository_is_exit_code_7(kuberec: Kuberec, tmp_path: Path) -> None:
    run = kuberec("serve", "--repository", tmp_path / "absent")
    assert (run.code, run.out) == (7, "")
    assert "absent is no folder" in run.err


def test_recommendations_are_shown_by_title(kuberec: Kuberec, target: str, repository: Path) -> None:
    run = kuberec("recommend", "--user", "ann", "-k", 5, "--target", target, "--repository", repository)
    assert run.code == 0
    lines = [line.split() for line in run.out.splitlines()]
    assert lines[0] == ["recommender", "version", "1", "for", "user", "ann"]
    assert lines[1:] == [
        ["1", "One", "9.000"], ["2", "Thrée", "8.000"], ["3", "Five", "4.000"], ["4", "Two", "3.000"],
        ["5", "i4", "2.000"],
    ]  # fmt: skip


def test_history_and_exclusions_reach_the_model(kuberec: Kuberec, target: str, repository: Path) -> None:
    run = kuberec(
        "recommend", "--user", "ann", "-k", 3, "--history", "i3, i4", "--exclude", "i1", "--exclude", "i2,i5",
        "--target", target, "--repository", repository, "--json",
    )  # fmt: skip
    answer = json.loads(run.out)
    assert [item["item_id"] for item in answer["items"]] == ["i4", "i3", "i5"]
    assert answer["items"][0] == {"item_id": "i4", "title": None, "score": 102.0}
    assert (answer["model"], answer["version"], answer["user_id"]) == ("recommender", 1, "ann")


def test_without_titles_ids_are_shown(kuberec: Kuberec, target: str, tmp_path: Path) -> None:
    run = kuberec("recommend", "--user", "x", "-k", 1, "--target", target, "--repository", tmp_path)
    assert run.out.splitlines()[1].split() == ["1", "i5", "5.000"]


def test_titles_may_come_from_a_file(kuberec: Kuberec, target: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": ["i5"], "title": ["Cinq"]}), tmp_path / "items.parquet")
    run = kuberec("recommend", "--user", "x", "-k", 1, "--target", target, "--items", tmp_path / "items.parquet")
    assert "Cinq" in run.out


def test_a_bad_titles_file_is_exit_code_3(kuberec: Kuberec, target: str, tmp_path: Path) -> None:
    words = ["recommend", "--user", "x", "--target", target, "--items"]
    assert kuberec(*words, tmp_path / "absent.parquet").code == 3
    (tmp_path / "text.parquet").write_text("no Parquet")
    assert kuberec(*words, tmp_path / "text.parquet").code == 3
    pq.write_table(pa.table({"item_id": ["i5"]}), tmp_path / "untitled.parquet")
    run = kuberec(*words, tmp_path / "untitled.parquet")
    assert run.code == 3
    assert "title" in run.err


def test_an_unreachable_server_is_exit_code_7(kuberec: Kuberec) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        target = f"localhost:{taken.getsockname()[1]}"
        run = kuberec("recommend", "--user", "x", "--target", target)
    assert (run.code, run.out) == (7, "")
    assert run.err.startswith(f"Error: No model server answers at {target}.")


def test_an_unknown_model_is_exit_code_7(kuberec: Kuberec, target: str) -> None:
    run = kuberec("recommend", "--user", "x", "--target", target, "--model", "nope")
    assert run.code == 7
    assert "serves no model 'nope'" in run.err


def test_a_promoted_version_is_served_without_a_restart(target: str, repository: Path) -> None:
    shutil.copytree(repository / "recommender" / "1", repository / "recommender" / ".2")
    (repository / "recommender" / ".2").rename(repository / "recommender" / "2")
    end = time.monotonic() + 10
    with Client(target) as client:
        while client.recommend("recommender", "ann").version != 2:
            assert time.monotonic() < end
            time.sleep(0.1)
