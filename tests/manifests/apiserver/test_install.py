"""The script that installs the platform, with the rendering of a remote folder replaced and all else as it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests.apiserver.server import running
from tests.manifests.conftest import SCHEMAS
from tests.manifests.rendering import MANIFESTS

pytestmark = pytest.mark.slow

KUBECTL = """#!/bin/sh
if [ "$1" = kustomize ]; then exec cat "$RENDERED"; fi
exec "$KUBECTL" "$@"
"""
PROJECT = """apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: test
  namespace: kubeflow
spec: {}
"""


def test_a_folder_with_crds_and_what_they_define_is_installed_at_once_and_again(
    programs: None, crds: object, tmp_path: Path
) -> None:
    definitions = sorted((SCHEMAS / "crds").glob("*.argoproj.io.yaml"))
    rendered = "---\n".join([*(path.read_text(encoding="utf-8") for path in definitions), PROJECT])
    (tmp_path / "rendered.yaml").write_text(rendered, encoding="utf-8")
    shim = tmp_path / "bin" / "kubectl"
    shim.parent.mkdir()
    shim.write_text(KUBECTL, encoding="utf-8")
    shim.chmod(0o755)
    with running(tmp_path) as server:
        environment = os.environ | {
            "PATH": f"{shim.parent}:{os.environ['PATH']}",
            "KUBECTL": str(shutil.which("kubectl")),
            "KUBECONFIG": str(server.kubeconfig),
            "RENDERED": str(tmp_path / "rendered.yaml"),
        }
        for _ in range(2):
            command = [str(MANIFESTS / "third-party" / "install.sh"), "pipelines-cluster"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        assert server.answer("get", "appproject", "test", "--namespace=kubeflow")
