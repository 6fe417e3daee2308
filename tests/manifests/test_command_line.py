"""The command lines of the model server's pod, run as they are but for paths and ports."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kuberec.cli.conftest import PROGRAM
from tests.kuberec.cli.test_serving import Server
from tests.kuberec.gitops.deployment import publish
from tests.kuberec.object_store import object_store
from tests.kuberec.serving.saved_models import save_recommender
from tests.manifests.rendering import MANIFESTS, Manifest, named, pod_specs
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


def variables(container: Manifest, settings: dict[str, str]) -> dict[str, str]:
    """The container's environment, with settings of the test's own in place of the ConfigMap's."""
    return {
        each["name"]: each["value"] if "value" in each else settings[each["valueFrom"]["configMapKeyRef"]["key"]]
        for each in container["env"]
    }


@pytest.mark.slow
def test_the_sidecar_copies_from_a_bucket_before_the_server_starts(tmp_path: Path) -> None:
    overlay = MANIFESTS / "overlays" / "dev"
    (spec,) = pod_specs(named(overlay, "Deployment", "model-server"))
    (container,) = spec["initContainers"]
    assert container["command"][0] == Path(PROGRAM).name
    models = tmp_path / "models"
    mounted = {
        "/etc/kuberec": str(overlay),
        "/models": str(models),
        "/var/run/secrets/object-store": str(tmp_path),
        "/tmp": str(tmp_path),
    }

    def here(word: str) -> str:
        option, equals, path = word.rpartition("=")
        found = [(there, folder) for there, folder in mounted.items() if path.startswith(there)]
        return option + equals + path.replace(*found[0], 1) if found else word

    with object_store(tmp_path, "models") as repository:
        publish(repository, 1, work=tmp_path / "steps")
        settings = {
            "REPOSITORY": repository,
            "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        path = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        environment = {**path, **{name: here(value) for name, value in variables(container, settings).items()}}
        words = [here(word.replace("$(REPOSITORY)", repository)) for word in container["args"]]
        probe = [here(word) for word in container["startupProbe"]["exec"]["command"]]
        with subprocess.Popen([PROGRAM, *container["command"][1:], *words], env=environment) as sidecar:
            end = time.monotonic() + WAIT_SECONDS
            while subprocess.run(probe, check=False).returncode and time.monotonic() < end:
                time.sleep(0.1)
            sidecar.send_signal(signal.SIGTERM)
            assert sidecar.wait(WAIT_SECONDS) == 0
    assert subprocess.run(probe, check=False).returncode == 0
    assert (models / "recommender" / "1" / "saved_model.pb").is_file()
