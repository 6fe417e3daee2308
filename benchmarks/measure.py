"""Runs a command and watches the memory of its process tree."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

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
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _resident(watched))
            cpu = max(cpu, _processor_seconds(watched))
            time.sleep(POLL_SECONDS)
        output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors}")
    return Measured(time.perf_counter() - start, cpu, peak / 2**30, output)


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
