"""Kills the training pipeline inside each step, starts it again, and compares what comes out with an unbroken run.

    PYTHONPATH=. .venv/bin/python benchmarks/kill_resume.py [setting=value …]

Each step is killed twice, the runner and the step's process with SIGKILL: once while it works (half-way through the
time that it took in the unbroken run), once while it writes its output. The last line is one JSON object.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK_DIR = ROOT / "var" / "kill-resume"
RUN = """
import json, sys
from kuberec.config import load_config
from pipelines.local import run
result = run(load_config(None, sys.argv[1:]))
artifacts = {name: str(path) for name, path in result.artifacts.items()}
print(json.dumps({"artifacts": artifacts, "passed": result.passed, "version": result.version,
                  "executed": dict(result.executed), "cached": result.cached}))
"""
POLL_SECONDS = 0.002
SLICE_SECONDS = 0.0005
LEAD_SECONDS = 0.1
"""About how long it takes to see that a step has begun."""
PATIENCE_SECONDS = 600.0
TEMPORARY = re.compile(r"\.(.+\.[0-9a-f]{32}|publishing-.+)")
"""What an unfinished output is called."""


@dataclass(frozen=True)
class Finished:
    """What a run printed: see `pipelines.local.RunResult`."""

    artifacts: Mapping[str, str]
    passed: bool
    version: int | None
    executed: Mapping[str, float]
    cached: Sequence[str]

    def hashes(self) -> dict[str, str]:
        """Content hash by the name of each artifact that is a folder."""
        folders = {name: Path(path) for name, path in self.artifacts.items() if Path(path).is_dir()}
        return {
            name: json.loads((path / "manifest.json").read_text())["content_hash"] for name, path in folders.items()
        }

    def metrics(self) -> Any:
        """What `evaluate` measured."""
        return json.loads((Path(self.artifacts["evaluation"]) / "metrics.json").read_text())


class Runs:
    """Starts runs with the same settings in one work folder.

    Args:
        work_dir: Holds the work folder and the model repository; emptied first.
        settings: `field=value` texts.
    """

    def __init__(self, work_dir: Path, settings: Sequence[str]) -> None:
        shutil.rmtree(work_dir, ignore_errors=True)
        self._work_dir = work_dir / "run"
        self.repository = work_dir / "models"
        self._settings = [*settings, f"work_dir={self._work_dir}", f"repository={self.repository}"]

    def finish(self) -> Finished:
        """Run to the end."""
        process = self._start()
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the run failed: {output}")
        return Finished(**json.loads(output.splitlines()[-1]))

    def kill_after(self, step: str, seconds: float) -> bool:
        """Start, wait until the step has run for some seconds, kill; whether that was still inside the step."""
        attempt = self._reach(step)
        time.sleep(seconds)
        return attempt.kill()

    def kill_while_writing(self, step: str) -> bool:
        """Start, wait until the step writes its output, kill; whether that was still inside the step."""
        attempt = self._reach(step)
        # Some outputs are written within milliseconds: let the step run in slices, and look while it stands still.
        while attempt.process.poll() is None and not attempt.is_done():
            os.killpg(attempt.process.pid, signal.SIGSTOP)
            if attempt.is_writing():
                break
            os.killpg(attempt.process.pid, signal.SIGCONT)
            time.sleep(SLICE_SECONDS)
        return attempt.kill()

    def _reach(self, step: str) -> "Attempt":
        """Start a run, and wait until a step's process has begun."""
        steps, code = self._work_dir / "steps", self._work_dir / "tmp"
        before = frozenset(steps.glob("*"))
        shutil.rmtree(code, ignore_errors=True)
        process = self._start()
        component = step.partition(" ")[0]
        attempt = Attempt(process, component, steps, before, self.repository)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            # The process reads the component's code from a file there.
            if any(f"def {component}(" in _text(path) for path in code.glob("tmp.*/*.py")):
                return attempt
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"the step {step} was never reached")

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *self._settings],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that the step's process dies with the runner's
        )


@dataclass(frozen=True)
class Attempt:
    """A run that has reached a step.

    Attributes:
        process: The runner's.
        component: The step's component.
        steps: Where each run has a folder with a folder for each of its steps.
        before: The folders of earlier runs.
        repository: The model repository, the only place that `promote` writes to.
    """

    process: subprocess.Popen[str]
    component: str
    steps: Path
    before: frozenset[Path]
    repository: Path

    def is_done(self) -> bool:
        """Whether the step has finished."""
        return any((folder / "executor_output.json").is_file() for folder in self._folders())

    def is_writing(self) -> bool:
        """Whether an unfinished output is there."""
        where = [self.repository] if self.component == "promote" else self._folders()
        return any(TEMPORARY.fullmatch(path.name) for folder in where for path in folder.rglob(".*"))

    def kill(self) -> bool:
        """Kill the runner and the step's process; whether the step was not done yet."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        return not self.is_done()

    def _folders(self) -> list[Path]:
        runs = set(self.steps.glob("*")) - self.before
        return [folder for run in runs for folder in run.rglob(self.component.replace("_", "-"))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def compare(unbroken: Finished, resumed: Finished) -> dict[str, bool]:
    """What must be equal, and whether it is."""
    mine, theirs = unbroken.hashes(), resumed.hashes()
    return {
        **{name: mine[name] == theirs.get(name) for name in mine},
        "metrics": unbroken.metrics() == resumed.metrics(),
        "verdict": unbroken.passed == resumed.passed,
        "version": unbroken.version == resumed.version,
    }


def main() -> None:
    """Measure and print."""
    settings = sys.argv[1:]
    unbroken = Runs(WORK_DIR / "unbroken", settings).finish()
    runs = Runs(WORK_DIR / "killed", settings)
    kills: dict[str, dict[str, bool]] = {}
    for step, seconds in unbroken.executed.items():
        kills[step] = {
            "working": runs.kill_after(step, max(0.0, seconds / 2 - LEAD_SECONDS)),
            "writing": runs.kill_while_writing(step),
        }
        print(step, kills[step], flush=True)
    resumed = runs.finish()
    equal = compare(unbroken, resumed)
    again = runs.finish()
    figures = {
        "benchmark": "kill_resume",
        "settings": settings,
        "kills_inside": sum(inside for each in kills.values() for inside in each.values()),
        "kills": kills,
        "equal": equal,
        "all_equal": all(equal.values()),
        "unbroken_seconds": {step: round(seconds, 2) for step, seconds in unbroken.executed.items()},
        "executed_when_nothing_changed": list(again.executed),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
