"""A Kubernetes API server of this machine's own: etcd and kube-apiserver on free ports, no node and no controller.

`make apiserver` builds both programs, of the release that `go.mod` beside this file names.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.manifests.rendering import Manifest
from tests.serving.endurance.process import free_port

PROGRAMS = ("etcd", "kube-apiserver")
TOKEN = "administrator"
START_SECONDS = 300
STOP_SECONDS = 60

Done = subprocess.CompletedProcess[str]


def release() -> str:
    """The version of Kubernetes that is built: `v1.34.4`."""
    (found,) = re.findall(r"^require k8s.io/kubernetes (\S+)$", Path(__file__).with_name("go.mod").read_text(), re.M)
    return str(found)


def programs_folder() -> Path:
    """Where `make apiserver` puts the programs: the folder KUBEREC_APISERVER, else one of the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("KUBEREC_APISERVER") or cache / "kuberec" / f"kubernetes-{release()}")


class ApiServer:
    """A running API server, spoken to as a user does: by kubectl, as an administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *words: str, given: Manifest | None = None) -> Done:
        """What kubectl does, with an object to read if there is one; a warning of the server's fails it."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", "--warnings-as-errors", *words]
        return subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)

    def answer(self, *words: str, given: Manifest | None = None) -> Any:
        """The object or the list that kubectl prints.

        Raises:
            AssertionError: It failed.
        """
        done = self.kubectl(*words, "--output=json", given=given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def apply(self, *words: str, given: Manifest | None = None) -> Done:
        """Apply server-side what the words name."""
        return self.kubectl("apply", "--server-side", *words, given=given)

    def create(self, manifest: Manifest, *words: str) -> Manifest:
        """The object as it is stored; AssertionError if it is refused."""
        created: Manifest = self.answer("create", "--filename=-", *words, given=manifest)
        return created

    def refusal(self, manifest: Manifest) -> str:
        """Why an object would not be created; empty if it would."""
        return self.kubectl("create", "--filename=-", "--dry-run=server", given=manifest).stderr


@contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """An empty API server that keeps its data in a folder, with the admission plugins that are on by default."""
    etcd, port = f"http://127.0.0.1:{free_port()}", free_port()
    with process(folder, *etcd_command(folder, etcd)), process(folder, *api_server_command(folder, etcd, port)) as one:
        server = ApiServer(kubeconfig(folder, port))
        end = time.monotonic() + START_SECONDS
        while (state := server.kubectl("get", "--raw=/readyz")).returncode:
            assert one.poll() is None, log_of(folder, "kube-apiserver")
            assert time.monotonic() < end, state.stderr + log_of(folder, "kube-apiserver")
            time.sleep(0.2)
        yield server


def etcd_command(folder: Path, url: str) -> list[str]:
    """One member, which need not survive a power failure."""
    peer = f"http://127.0.0.1:{free_port()}"
    return [
        "etcd",
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def api_server_command(folder: Path, etcd: str, port: int) -> list[str]:
    """A server that makes its own certificate, for clients of this machine alone."""
    key = folder / "service-accounts.pem"
    key.write_bytes(private_key())
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{TOKEN},administrator,administrator,system:masters\n", encoding="utf-8")
    return [
        "kube-apiserver",
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",  # as in clusters: only Pod Security forbids it
        "--service-cluster-ip-range=10.0.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--endpoint-reconciler-type=none",  # a loopback address may be no endpoint
    ]


def private_key() -> bytes:
    """A new RSA key, as PEM."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def kubeconfig(folder: Path, port: int) -> Path:
    """How kubectl reaches the server."""
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "apiserver.crt")}
    path = folder / "kubeconfig.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "administrator", "user": {"token": TOKEN}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
                "current-context": "test",
            }
        ),
        encoding="utf-8",
    )
    return path


@contextmanager
def process(folder: Path, program: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs as long as the block does; what it says goes to a file."""
    with (folder / f"{program}.log").open("wb") as log:
        started = subprocess.Popen([programs_folder() / program, *flags], stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(STOP_SECONDS)


def log_of(folder: Path, program: str) -> str:
    """The end of what a program said."""
    return (folder / f"{program}.log").read_text(encoding="utf-8")[-4000:]
