"""Runs a command and watches the memory of its process tree."""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

import psutil

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: Processor time of the process and its finished children.
        peak_gib: Greatest resident memory of the whole process tree.
        output: What it wrote to standard output.
    """

    seconds: float
    cpu_seconds: float
    peak_gib: float
    output: str


def measure(command: Sequence[str]) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed; the message holds what it wrote to standard error.
    """
    start = time.perf_counter()
    peak, cpu = 0, 0.0
    # Files and no pipes: nobody empties a pipe while memory is watched, and a full one stops the command for ever.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _resident(watched))
            cpu = max(cpu, _processor_seconds(watched))
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {_text(errors)}")
        return Measured(seconds, cpu, peak / 2**30, _text(output))


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _resident(process: psutil.Process) -> int:
    total = 0
    for member in _tree(process):
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


def _processor_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
