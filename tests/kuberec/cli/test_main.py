"""Help, exit codes, and errors without tracebacks."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuberec.cli.app import app
from tests.kuberec.cli.conftest import PROGRAM, Kuberec

VERBS = (
    "demo", "run", "serve", "recommend", "ingest", "validate", "split", "featurize", "train", "evaluate", "export",
    "validate-export", "gate", "promote", "rollback", "history", "sync-models",
)  # fmt: skip
HEAVY = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "duckdb", "kfp", "grpc", "yaml", "pydantic")


def test_there_is_a_verb_for_every_step_and_no_other() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"kuberec {verb}" in result.output


def test_the_command_line_starts_without_heavy_packages() -> None:
    code = f"import sys, kuberec.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version(program: Kuberec) -> None:
    assert program("--version").out.startswith("kuberec 0.")


@pytest.mark.parametrize(
    "words", [["fly"], ["ingest"], ["split", "x", "-o", "y", "--sed", "1"], ["serve", "-p", "70000"]]
)
def test_wrong_usage_is_exit_code_2(kuberec: Kuberec, words: list[str]) -> None:
    run = kuberec(*words)
    assert run.code == 2
    assert "Usage:" in run.err
    assert run.out == ""


def test_an_error_of_kuberec_is_one_line_and_its_own_exit_code(program: Kuberec, tmp_path: Path) -> None:
    run = program("ingest", tmp_path / "absent.yaml", "-o", tmp_path / "dataset")
    assert run.code == 3
    assert run.out == ""
    assert run.err.startswith("Error: ")
    assert "absent.yaml does not exist" in run.err
    assert run.err.count("\n") == 1


def test_an_unforeseen_error_is_one_line_and_exit_code_70(kuberec: Kuberec, monkeypatch: pytest.MonkeyPatch) -> None:
    def promote(*_: object) -> int:
        raise ZeroDivisionError("nobody\nforesaw this")

    monkeypatch.setattr("kuberec.promote.promote", promote)
    run = kuberec("promote", "export", "verdict")
    assert (run.code, run.out) == (70, "")
    assert run.err == "Error: ZeroDivisionError: nobody foresaw this (kuberec --debug … shows where)\n"


def test_a_traceback_is_shown_only_when_asked_for(kuberec: Kuberec, tmp_path: Path) -> None:
    words = ["ingest", tmp_path / "absent.yaml", "-o", tmp_path / "dataset"]
    assert "Traceback" not in kuberec(*words).err
    run = kuberec("--debug", *words)
    assert run.code == 3
    assert "Traceback" in run.err
    assert "Traceback" not in kuberec(*words).err


def test_an_interrupt_is_exit_code_130_without_a_traceback(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    os.mkfifo(config)
    words = [PROGRAM, "run", "--config", str(config)]
    # Tests that run in the background of a shell inherit that the signal is ignored.
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=listening) as process, config.open("w"):
        # Opening the pipe waited until the other side reads: now it hangs in the middle of its work.
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "Interrupted.\n")
