"""Containers as Kubernetes runs them: user 1000, no capability, a root that nobody can write to; by runc."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = 1000
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Image:
    """An image whose files can be read here.

    Attributes:
        root: Its files.
        environment: Variables, each `NAME=value`.
        command: What runs unless something else is named.
        folder: Where it runs.
        user: Whom it names.
    """

    root: Path
    environment: tuple[str, ...]
    command: tuple[str, ...]
    folder: str
    user: str


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """An image of buildah's storage, for the time of a block."""
    config = json.loads(buildah("inspect", "--type=image", name))["OCIv1"]["config"]
    container = buildah("from", "--pull-never", name)
    try:
        root = Path(buildah("mount", container))
        yield Image(root, tuple(config["Env"]), tuple(config["Cmd"]), config["WorkingDir"], config["User"])
    finally:
        buildah("rm", container)


def buildah(*words: str) -> str:
    """What a buildah command prints."""
    return subprocess.run(["buildah", *words], check=True, capture_output=True, text=True).stdout.strip()


class Container:
    """A container, not yet started: /tmp can be written to, and what is mounted.

    Attributes:
        volumes: Folders of this machine by their path inside; they are given to the user.
    """

    def __init__(
        self,
        image: Image,
        folder: Path,
        command: Sequence[str] = (),
        *,
        volumes: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        host_network: bool = False,
    ) -> None:
        """Describe it in `folder`; the image's own command runs unless one is given."""
        self._bundle = folder / f"bundle-{uuid.uuid4().hex[:8]}"
        self._bundle.mkdir()
        self._runc = ("runc", "--root", str(folder / "state"))
        self.volumes = dict(volumes or {})
        subprocess.run(["runc", "spec"], cwd=self._bundle, check=True)
        path = self._bundle / "config.json"
        spec = json.loads(path.read_text(encoding="utf-8"))
        spec["root"] = {"path": str(image.root), "readonly": True}
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": USER, "gid": USER},
            "args": [*(command or image.command)],
            "env": [*image.environment, *(f"{name}={value}" for name, value in (environment or {}).items())],
            "cwd": image.folder,
            "capabilities": {},
            "noNewPrivileges": True,
        }
        spec["mounts"].append(_mount("/tmp", "tmpfs", "tmpfs", "mode=1777"))
        spec["mounts"] += [_mount(inside, "bind", str(outside), "rbind") for inside, outside in self.volumes.items()]
        if host_network:
            spaces = spec["linux"]["namespaces"]
            spec["linux"]["namespaces"] = [space for space in spaces if space["type"] != "network"]
        path.write_text(json.dumps(spec), encoding="utf-8")

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.running() as process:
            out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """Let it run for the time of a block; a signal to the process is one to the container's first process."""
        for outside in self.volumes.values():
            for path in (outside, *outside.rglob("*")):
                shutil.chown(path, USER, USER)
        words = [*self._runc, "run", "--bundle", str(self._bundle), self._bundle.name]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                subprocess.run([*self._runc, "delete", "--force", self._bundle.name], capture_output=True)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside while it runs."""
        return subprocess.run([*self._runc, "exec", self._bundle.name, *command], capture_output=True, text=True)


def _mount(inside: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": inside, "type": kind, "source": source, "options": ["nosuid", "nodev", *options]}
