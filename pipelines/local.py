"""Runs the training pipeline on one machine: the very pipeline of the cluster, each step in a process of its own.

Kubeflow Pipelines' local runner does the work. Around it stand what a laptop needs: one line a step instead of a flood,
a cache that can be trusted, checkpoints that outlive a kill, and an error that names the step and what to do.
"""

import contextlib
import fcntl
import logging
import os
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfp import dsl, local
from kfp.local import cache as kfp_cache
from kfp.local.pipeline_orchestrator import run_local_pipeline
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec
from rich.console import Console

from kuberec import errors
from kuberec.artifacts import read_manifest
from kuberec.config import RunConfig
from kuberec.errors import ConfigError, KuberecError
from kuberec.fingerprint import ROOT, code_fingerprint, digest, source_fingerprint
from kuberec.sources.movielens import MOVIELENS
from pipelines.champion import RunRecord, find_champion, read_record, write_record
from pipelines.progress import Display, Log, last_error
from pipelines.step_cache import Outputs, StepCache, step_name
from pipelines.training import training

LOG_FILE = "run.log"
TEMPORARY = "tmp"
STEP_PACKAGES = ("kuberec", "models", "components")
"""The packages whose code runs inside the steps."""
DELIVERY = {"git", "environment"}
"""Arguments that say where a passed candidate goes and have no part in what it is judged by."""


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        artifacts: Where each step's outputs lie, by the output's name; `model/<family>` for the models.
        passed: Whether the gate opened.
        version: The version that was published, None when the gate stayed shut.
        executed: The steps that ran, in order, and how many seconds each took.
        cached: The steps whose results were already there.
        seconds: How long it took.
        log: The file with everything that the steps wrote.
    """

    artifacts: Mapping[str, Path]
    passed: bool
    version: int | None
    executed: Mapping[str, float]
    cached: tuple[str, ...]
    seconds: float
    log: Path


def run(config: RunConfig, console: Console | None = None) -> RunResult:
    """Run the training pipeline.

    A run that was killed goes on where it stopped when it is started again with the same settings; what has not changed
    since an earlier run is taken from the cache.

    Args:
        config: The settings of the run; relative paths are relative to the current directory.
        console: Where progress is shown; stderr when absent.

    Raises:
        KuberecError: A step failed; of the class that the step raised. The message names the step and the log.
    """
    began = time.monotonic()
    work_dir = Path(config.work_dir).resolve()
    with _only_run_in(work_dir), Display(console or Console(stderr=True)) as display:
        log = Log(work_dir / LOG_FILE, display)
        steps = _Steps(display, log)
        try:
            _execute(config, work_dir, steps, log)
        except RuntimeError as error:
            raise _failure(steps.running, log) from error
        finally:
            log.close()
    return steps.result(time.monotonic() - began, log.path)


@dataclass
class _Steps:
    """Keeps what the steps report; a `Watcher`."""

    display: Display
    log: Log
    executed: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    running: str = ""
    began: float = 0.0
    on_export: Callable[[str], None] = print

    def started(self, step: str) -> None:
        self.running, self.began = step, time.monotonic()
        self.log.tail.clear()
        self.display.started(step)

    def finished(self, step: str, outputs: Outputs, cached: bool) -> None:
        self.outputs[step] = outputs
        if step == "export":
            self.on_export(read_manifest(outputs["exported"].path).content_hash)
        if cached:
            self.cached.append(step)
        else:
            self.executed[step] = time.monotonic() - self.began
        self.running = ""
        self.display.finished(step, cached)

    def result(self, seconds: float, log: Path) -> RunResult:
        passed = bool(self.outputs["gate"]["Output"])
        version = int(self.outputs["promote"]["Output"]) if "promote" in self.outputs else None
        return RunResult(self.artifacts(), passed, version, self.executed, tuple(self.cached), seconds, log)

    def artifacts(self) -> dict[str, Path]:
        found = {}
        for step, outputs in self.outputs.items():
            family = step.partition(" ")[2]
            for name, value in outputs.items():
                if isinstance(value, dsl.Artifact):
                    found[f"{name}/{family}" if family else name] = Path(value.path)
        return found


def _arguments(config: RunConfig, work_dir: Path) -> dict[str, Any]:
    """The pipeline's arguments, all but the champion; local paths become absolute."""
    return config.model_dump(mode="json", exclude={"work_dir"}) | {
        "source": config.source if config.source in MOVIELENS else _absolute(config.source),
        "location": _absolute(config.location),
        "revision": source_fingerprint(config.source, config.location),
        "epochs": config.epochs or 0,
        "repository": _absolute(config.repository),
        "git": _absolute(config.git) if Path(config.git).is_dir() else config.git,
        "checkpoints": str(work_dir / "checkpoints"),
        "accelerators": 0,
    }


def _execute(config: RunConfig, work_dir: Path, steps: _Steps, log: Log) -> None:
    code = code_fingerprint(STEP_PACKAGES)
    arguments = _arguments(config, work_dir)
    judged = {name: value for name, value in arguments.items() if name not in DELIVERY}
    record_file = work_dir / "runs" / f"{digest([code, judged])}.json"
    champion = find_champion(arguments["repository"], config.model_name, read_record(record_file))
    steps.on_export = lambda exported: write_record(record_file, RunRecord(champion, exported))
    spec, uncached = _local_form(training.pipeline_spec)
    with _child_environment(work_dir), _quiet(log):
        _start_kfp(work_dir, StepCache(work_dir / "cache", code, uncached, steps))
        run_local_pipeline(spec, arguments | {"champion": champion})


def _start_kfp(work_dir: Path, cache: StepCache) -> None:
    """Set up Kubeflow Pipelines' local runner with our cache in place of its own, for which it has no option."""
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(work_dir / "steps"),
        workspace_root=str(work_dir / TEMPORARY / "workspace"),
        enable_caching=True,
        cache_root=cache.cache_root,
    )
    kfp_cache._cache_singleton, kfp_cache._cache_singleton_root = cache, cache.cache_root


def _local_form(spec: PipelineSpec) -> tuple[PipelineSpec, set[str]]:
    """The pipeline without retries, and the components that run every time.

    On a cluster a retry outlives an evicted pod; here a step that failed would only fail again.
    """
    form = PipelineSpec()
    form.CopyFrom(spec)
    uncached = set()
    for dag in (form.root.dag, *(form.components[name].dag for name in form.components)):
        for name in dag.tasks:
            task = dag.tasks[name]
            task.ClearField("retry_policy")
            if not task.caching_options.enable_cache:
                uncached.add(step_name(task.component_ref.name, {}))
            task.caching_options.enable_cache = True  # so that the cache hears of the step
    return form, uncached


def _failure(step: str, log: Log) -> KuberecError:
    """The error of a failed step, of its own class, with the step's name and the log."""
    name, message = last_error(list(log.tail))
    kind = getattr(errors, name.removeprefix("kuberec.errors."), None) if name.startswith("kuberec.errors.") else None
    if kind is None:
        kind = KuberecError
        message = f"{name}: {message}" if name else "its process ended without a word; was it killed, or out of memory?"
    failed: KuberecError = kind(f"{f'The step {step}' if step else 'The run'} failed: {message}\nLog: {log.path}")
    return failed


@contextlib.contextmanager
def _only_run_in(work_dir: Path) -> Iterator[None]:
    """Hold the work folder alone; two runs in it would step on each other's checkpoints."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"Another run is working in {work_dir}. Wait for it, or name another folder with work_dir=…"
            ) from None
        yield


@contextlib.contextmanager
def _quiet(log: Log) -> Iterator[None]:
    """Send what Kubeflow Pipelines prints and logs to the log; its warnings are about settings for clusters."""
    handler, root = logging.StreamHandler(log), logging.getLogger()
    root.addHandler(handler)
    try:
        with contextlib.redirect_stdout(log), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"kfp\.")
            yield
    finally:
        root.removeHandler(handler)


@contextlib.contextmanager
def _child_environment(work_dir: Path) -> Iterator[None]:
    """What the steps inherit: the repository on the path, lines as they come, scratch space, interpreter."""
    temporary = work_dir / TEMPORARY
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    changes = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)}
    before = {name: os.environ.get(name) for name in changes}
    interpreter = sys.executable
    os.environ.update(changes)
    # Kubeflow Pipelines pastes the interpreter's path into a shell script as it is, also one with spaces.
    sys.executable = shlex.quote(interpreter)
    try:
        yield
    finally:
        sys.executable = interpreter
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        shutil.rmtree(temporary, ignore_errors=True)


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path and "://" not in path else path
