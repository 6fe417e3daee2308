"""Locust in a process of its own against `kuberec serve` in another.

The limits are far from what any machine needs: what is asserted is what a run says of the server, not how fast it is.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from loadtest.local import Subject, served
from tests.kuberec.serving.authority import Authority
from tests.kuberec.serving.saved_models import ITEMS, USERS, save_recommender

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 300
SCENARIO: dict[str, Any] = {
    "description": "a test",
    "phases": [{"seconds": 6, "rate": 20}],
    "sessions": {"requests": 3, "gap_seconds": 1},
    "users": {"zipf": 1, "cold": 0.2},
    "signatures": {"recommend": 1},
    "timeout_seconds": 60,
}
LIMITS = {"latency_ms": {"p50": 50_000, "p99": 59_000}, "error_rate": 0, "throughput": 0}
SLO = {"lateness_p99_ms": 50_000, "default": LIMITS}


Played = tuple[int, dict[str, Any], str]
"""Exit code, report and words of `python -m loadtest`."""


def write_subject(folder: Path) -> Subject:
    """A model of two users and five items."""
    save_recommender(folder / "models" / "films" / "1")
    for name, known in (("users", USERS), ("items", ITEMS)):
        (folder / f"{name}.txt").write_text("\n".join(known), encoding="utf-8")
    return Subject("films", folder / "models" / "films", folder / "users.txt", folder / "items.txt")


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A model of the test's own."""
    return write_subject(tmp_path)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Subject, str]]:
    """A model, and a server of it that nobody disturbs."""
    shared = write_subject(tmp_path_factory.mktemp("calm"))
    with served(shared) as (target, _):
        yield shared, target


@pytest.fixture(scope="module")
def alone(calm: tuple[Subject, str]) -> Played:
    """What one process measured of it."""
    return play(*calm)


def play(
    subject: Subject, target: str, *more: str, scenario: dict[str, Any] | None = None, slo: dict[str, Any] | None = None
) -> Played:
    """Run `python -m loadtest` in a process of its own."""
    folder = subject.folder.parent.parent
    (folder / "trial.yaml").write_text(yaml.safe_dump(SCENARIO | (scenario or {})), encoding="utf-8")
    (folder / "slo.yaml").write_text(yaml.safe_dump(SLO | (slo or {})), encoding="utf-8")
    options = ["--target", target, "--model", subject.model, "--output", str(folder), "--slo", str(folder / "slo.yaml")]
    options += ["--user-ids", str(subject.user_ids), "--item-ids", str(subject.item_ids), *more]
    ended = subprocess.run(
        [sys.executable, "-m", "loadtest", str(folder / "trial.yaml"), *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    page = folder / "trial.html"
    assert page.is_file(), ended.stdout + ended.stderr
    return ended.returncode, json.loads((folder / "trial.json").read_text(encoding="utf-8")), ended.stdout


@contextmanager
def slowed(pid: int, pause: float, run: float) -> Iterator[None]:
    """Let a process stand still again and again, for `pause` of each `pause + run` seconds."""
    over = threading.Event()

    def slow() -> None:
        while not over.wait(run):
            os.kill(pid, signal.SIGSTOP)
            over.wait(pause)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_server_that_answers_passes(alone: Played) -> None:
    code, report, told = alone
    assert (code, report["verdict"], report["reasons"]) == (0, "pass", [])
    figures = report["figures"]
    assert figures["played"] == figures["intended"] == sum(figures["versions"].values()) > 60
    assert figures["versions"].keys() == {"1"}
    assert "trial passes" in told


def test_a_server_that_was_slowed_down_fails_and_the_verdict_says_why(subject: Subject) -> None:
    # It stands still two seconds of each three: whoever comes in the first of them waits a second at least.
    limits = {"default": LIMITS | {"latency_ms": {"p95": 500}}}
    with served(subject) as (target, pid), slowed(pid, pause=2, run=1):
        code, report, told = play(subject, target, slo=limits)
    assert (code, report["verdict"]) == (1, "fail")
    (reason,) = report["reasons"]
    assert reason.startswith("latency p95 is ")
    assert reason.endswith("above the limit of 500 ms")
    assert reason in told


def test_a_server_that_stands_still_fails_by_its_errors(subject: Subject) -> None:
    with served(subject) as (target, pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            code, report, _ = play(subject, target, scenario={"timeout_seconds": 2})
        finally:
            os.kill(pid, signal.SIGCONT)
    assert (code, report["verdict"]) == (1, "fail")
    figures = report["figures"]
    # All of them were sent, although none was answered, not even the first that do not count.
    assert figures["errors"] == {"DEADLINE_EXCEEDED": figures["intended"]}
    assert figures["latency_ms"]["p50"] >= 1990


def test_a_generator_that_cannot_follow_says_so(calm: tuple[Subject, str]) -> None:
    code, report, _ = play(*calm, slo={"lateness_p99_ms": 0.001})
    assert (code, report["verdict"]) == (9, "invalid")
    assert "the generator could not keep its schedule" in report["reasons"][0]


def test_workers_play_the_same_requests_and_one_verdict_is_theirs(calm: tuple[Subject, str], alone: Played) -> None:
    code, report, _ = play(*calm, "--workers", "2")
    expected = alone[1]["figures"]
    assert (code, report["verdict"]) == (0, "pass")
    assert report["facts"]["workers"] == 2
    assert report["figures"]["played"] == expected["intended"]
    assert report["figures"]["over_time"]["intended_rate"] == expected["over_time"]["intended_rate"]


def test_a_version_is_swapped_without_a_failure(subject: Subject) -> None:
    swap = {"swap_at_seconds": 2, "phases": [{"seconds": 25, "rate": 10}]}
    with served(subject) as (target, _):
        code, report, told = play(subject, target, "--model-folder", str(subject.folder), scenario=swap)
    assert (code, report["verdict"]) == (0, "pass"), told
    assert report["figures"]["versions"].keys() == {"1", "2"}
    assert "Version 2 is published" in told


def test_a_model_that_nobody_serves_fails(calm: tuple[Subject, str]) -> None:
    subject, target = calm
    code, report, told = play(replace(subject, model="books"), target)
    assert (code, report["verdict"]) == (1, "fail")
    assert report["figures"]["errors"] == {"NOT_FOUND": report["figures"]["intended"]}
    assert "Servable not found for request: Latest(books)" in told


def test_a_server_is_asked_over_tls(subject: Subject, tmp_path: Path) -> None:
    authority = Authority("the operator")
    config = authority.write_ssl_config(tmp_path / "ssl.config")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    (tmp_path / "stranger.pem").write_text(Authority("somebody else").certificate)
    with ModelServer(subject.folder.parent, ServerOptions(ssl_config_file=config)) as server:
        code, report, _ = play(subject, server.address, "--ca", str(tmp_path / "ca.pem"))
        assert (code, report["verdict"]) == (0, "pass")
        code, report, _ = play(subject, server.address, "--ca", str(tmp_path / "stranger.pem"))
        assert (code, report["verdict"]) == (1, "fail")
        assert report["figures"]["errors"].keys() == {"UNAVAILABLE"}
