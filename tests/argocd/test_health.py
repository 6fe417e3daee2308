"""The health checks, run by Lua 5.1 as Argo CD runs them."""

from pathlib import Path
from typing import Any

import lupa.lua51
import pytest
import yaml

from tests.manifests.rendering import ROOT

HEALTH = ROOT / "argocd" / "health"


def condition(kind: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": "Created", "status": "True"}, {"type": kind, "status": status, **more}]}}


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("application", {}, "Progressing", ""),
    ("application", {"status": {"health": {"status": "Degraded", "message": "no"}}}, "Degraded", "no"),
    ("application", {"status": {"health": {"status": "Healthy"}}}, "Healthy", ""),
    ("train-job", {}, "Progressing", "TrainJob has not finished"),
    ("train-job", {"spec": {"suspend": True}}, "Suspended", "TrainJob is suspended"),
    ("train-job", {"spec": {"suspend": True}} | condition("Complete", message="done"), "Healthy", "done"),
    ("train-job", condition("Failed", reason="DeadlineExceeded"), "Degraded", "DeadlineExceeded"),
    ("train-job", condition("Failed", status="False"), "Progressing", "TrainJob has not finished"),
    ("job-set", {}, "Progressing", "JobSet has not finished"),
    ("job-set", {"spec": {"suspend": True}}, "Suspended", "JobSet is suspended"),
    ("job-set", condition("Completed"), "Healthy", "Completed"),
    ("job-set", condition("Failed", message="restarts used up"), "Degraded", "restarts used up"),
    ("experiment", {}, "Progressing", "Experiment has not begun"),
    ("experiment", condition("Running", message="running"), "Healthy", "running"),
    ("experiment", condition("Running", status="False"), "Progressing", "Experiment has not begun"),
    ("experiment", condition("Succeeded", message="goal reached"), "Healthy", "goal reached"),
    ("experiment", condition("Failed", message="too many failed trials"), "Degraded", "too many failed trials"),
    ("notebook", {"metadata": {}}, "Progressing", "Notebook is starting"),
    ("notebook", {"metadata": {"annotations": {"kubeflow-resource-stopped": "x"}}}, "Suspended", "Notebook is stopped"),
    ("notebook", {"metadata": {}, "status": {"readyReplicas": 1}}, "Healthy", "Ready"),
    (
        "notebook",
        {"metadata": {}, "status": {"readyReplicas": 0, "containerState": {"waiting": {"reason": "ErrImagePull"}}}},
        "Degraded",
        "ErrImagePull",
    ),
    (
        "notebook",
        {"metadata": {}, "status": {"containerState": {"waiting": {"reason": "CrashLoopBackOff"}}}},
        "Degraded",
        "CrashLoopBackOff",
    ),
    (
        "notebook",
        {"metadata": {}, "status": {"containerState": {"waiting": {"reason": "ImagePullBackOff"}}}},
        "Degraded",
        "ImagePullBackOff",
    ),
    (
        "notebook",
        {"metadata": {}, "status": {"containerState": {"waiting": {"reason": "PodInitializing"}}}},
        "Progressing",
        "PodInitializing",
    ),
    ("pipeline-version", {}, "Healthy", "stored"),
    ("pipeline-version", condition("Valid", status="False", message="no spec"), "Degraded", "no spec"),
    ("scheduled-workflow", {"spec": {"enabled": True}}, "Healthy", "scheduled"),
    ("scheduled-workflow", {"spec": {"enabled": False}}, "Suspended", "switched off"),
    ("scheduled-workflow", condition("Error", message="bad cron"), "Degraded", "bad cron"),
]


def lua_value(runtime: lupa.lua51.LuaRuntime, value: Any) -> Any:
    """Tables all the way down, as Argo CD hands an object over."""
    if isinstance(value, dict):
        return runtime.table_from({key: lua_value(runtime, inner) for key, inner in value.items()})
    if isinstance(value, list):
        return runtime.table_from([lua_value(runtime, inner) for inner in value])
    return value


@pytest.mark.parametrize(("check", "resource", "status", "message"), CASES)
def test_the_health_of_a_resource(check: str, resource: dict[str, Any], status: str, message: str) -> None:
    runtime = lupa.lua51.LuaRuntime()
    assert runtime.lua_version == (5, 1)
    runtime.globals().obj = lua_value(runtime, resource)
    answer = runtime.execute((HEALTH / f"{check}.lua").read_text(encoding="utf-8"))
    assert (answer.status, answer.message) == (status, message)


def test_every_check_is_tested_and_installed() -> None:
    scripts = {path.stem for path in HEALTH.glob("*.lua")}
    generator = yaml.safe_load((ROOT / "argocd" / "kustomization.yaml").read_text(encoding="utf-8"))
    (config,) = generator["configMapGenerator"]
    assert {case[0] for case in CASES} == scripts == {Path(line.partition("=")[2]).stem for line in config["files"]}
