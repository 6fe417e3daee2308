"""The command line of the model server's container, run as it is but for paths and ports."""

import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kuberec.cli.test_serving import Server
from tests.kuberec.serving.saved_models import save_recommender
from tests.manifests.rendering import MANIFESTS, named, pod_specs
from tests.serving.endurance.process import free_port

CONFIG = """model_config_list {{ config {{
  name: "recommender" base_path: "{folder}" model_platform: "tensorflow"
  model_version_policy {{ specific {{ versions: 1 }} }} version_labels {{ key: "stable" value: 1 }}
}} }}"""
WAIT_SECONDS = 60


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_the_probe_says_when_the_model_is_loaded(tmp_path: Path) -> None:
    (spec,) = pod_specs(named(MANIFESTS / "overlays" / "local", "Deployment", "model-server"))
    (container,) = spec["containers"]
    folder, port = tmp_path / "recommender", free_port()
    folder.mkdir()
    (tmp_path / "models.config").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    (tmp_path / "monitoring.config").write_text((MANIFESTS / "base/serving/monitoring.config").read_text())
    changes = {
        "--port=8500": "--port=0",
        "--rest_api_port=8501": f"--rest_api_port={port}",
        "/models/models.config": f"{tmp_path}/models.config",
        "/etc/tensorflow-serving": str(tmp_path),
    }
    words = list(container["args"])
    for old, new in changes.items():
        assert any(old in word for word in words)
        words = [word.replace(old, new) for word in words]
    probe = f"http://localhost:{port}{container['readinessProbe']['httpGet']['path']}"

    server = Server(*words)
    try:
        assert server.first_line
        assert status(probe) == 404
        save_recommender(folder / "1")
        end = time.monotonic() + WAIT_SECONDS
        while (answer := status(probe)) != 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert answer == 200
        assert status(f"http://localhost:{port}/monitoring/prometheus/metrics") == 200
    finally:
        server.stop(signal.SIGTERM)
