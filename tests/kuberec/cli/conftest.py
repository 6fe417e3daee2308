import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kuberec.cli import main

PROGRAM = str(Path(sys.executable).with_name("kuberec"))


class Run:
    """What a command line gave: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


Kuberec = Callable[..., Run]


@pytest.fixture
def kuberec(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Kuberec:
    """Runs a command line in this process."""
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Run:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def program() -> Kuberec:
    """Runs the installed program in a process of its own."""

    def run(*words: object) -> Run:
        done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
        return Run(done.returncode, done.stdout, done.stderr)

    return run
