"""Runs Locust as a process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCUSTFILE = HERE / "locustfile.py"


def run_locust(options: Sequence[str], output: Path, *, workers: int = 0, web: bool = False) -> int:
    """Play a scenario; its exit code is the verdict's.

    Args:
        options: Of Locust and of `locustfile.py`.
        output: Folder for the report.
        workers: Processes that send; 0 sends from the one that judges.
        web: Show Locust's page and wait for somebody to press start.
    """
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *options, "--output", str(output)]
    command += ["--processes", str(workers)] if workers else []
    # Locust's own statistics go to a file: they know neither when requests were due nor fractions of a millisecond.
    quiet = ["--only-summary", "--loglevel", "WARNING", "--json-file", str(output / "locust")]
    command += ["--web-host", "localhost"] if web else ["--headless", *quiet]
    environment = os.environ | {"LOCUST_SKIP_MONKEY_PATCH": "1", "GRPC_VERBOSITY": "NONE"}
    return subprocess.run(command, env=environment).returncode
