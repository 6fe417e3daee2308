"""Alerts and dashboard ask for metrics that the server has, and every alert says what to do."""

import json
import re
from typing import Any

from kuberec.serving.metrics import PREFIX, Metrics
from tests.manifests.rendering import MANIFESTS, ROOT, named

DEV = MANIFESTS / "overlays" / "dev"


def rules() -> list[dict[str, Any]]:
    groups = named(DEV, "PrometheusRule", "kuberec")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads(named(DEV, "ConfigMap", "dashboard-model-server")["data"]["model-server.json"])
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*shown, *(rule["expr"] for rule in rules())]


def test_every_metric_of_the_server_exists() -> None:
    page = PREFIX.replace("/", ":")
    metrics = Metrics()
    known = {each.name.replace("/", ":") for each in vars(metrics).values() if hasattr(each, "name")}
    asked = {found for text in expressions() for found in re.findall(rf"{page}\w+", text)}
    assert asked
    assert {re.sub(r"_bucket$", "", found) for found in asked} <= known


def test_every_alert_says_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", page, re.MULTILINE)}
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in anchors
