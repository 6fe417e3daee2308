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

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.client import Client
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

    def __init__(self, repository: Path) -> None:
        words = [PROGRAM, "serve", "--repository", str(repository), "--port", "0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
    server = Server(repository)
    yield server.target
    code, err = server.stop(signal.SIGTERM)
    assert code == 0
    assert "recommender version 1 is unloaded" in err


@pytest.mark.slow
def test_ctrl_c_ends_the_server_in_peace(repository: Path) -> None:
    server = Server(repository)
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
