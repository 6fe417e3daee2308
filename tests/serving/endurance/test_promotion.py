"""A model server follows each commit of a Git repository while clients ask without a pause: nothing fails."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kuberec.gitops.promotion import Environment, promote_version, rollback
from tests.kuberec.gitops.deployment import MODEL, VERSION_YAML, make_checkout, publish
from tests.serving.endurance.load import Load, save_ballast, until
from tests.serving.endurance.process import PROGRAM, STOP_SECONDS, ServerProcess

FLAGS = ("--model_config_file_poll_wait_seconds=0.2", "--allow_version_labels_for_unavailable_models")
AS_TF_SERVING = "--strict"

pytestmark = pytest.mark.slow


@contextmanager
def follower(environment: Environment, models: Path, config: Path, target: str) -> Iterator[None]:
    """`kuberec models-config --watch` in a process of its own."""
    words = [Path(environment.remote) / environment.file, "-r", models, "-o", config, "--watch", "--server", target]
    process = subprocess.Popen([PROGRAM, "models-config", *map(str, words)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("flags", [FLAGS, (*FLAGS, AS_TF_SERVING)], ids=["embedded", "as TF Serving"])
def test_a_server_follows_each_commit_without_a_failed_request(flags: tuple[str, ...], tmp_path: Path) -> None:
    models, config = tmp_path / "models", tmp_path / "models.config"
    save_ballast(tmp_path / "saved")
    for number in (1, 2, 3, 4):
        publish(models, number, lambda folder: shutil.copytree(tmp_path / "saved", folder, dirs_exist_ok=True))
    dev = Environment(str(make_checkout(tmp_path / "deploy", VERSION_YAML)), "dev")

    def promoted(version: int, label: str) -> None:
        promote_version(dev, models, MODEL, version, label=label)

    def rolled_back() -> None:
        rollback(dev, models, MODEL, "to see it work")

    def promoted_twice() -> None:
        """Two commits that the server does not see apart."""
        promoted(4, "canary")
        promoted(4, "stable")

    steps: list[tuple[Callable[[], None], int, int]] = [
        (lambda: promoted(2, "canary"), 1, 2),
        (lambda: promoted(2, "stable"), 2, 2),
        (rolled_back, 1, 2),
        (rolled_back, 2, 2),
        (lambda: promoted(3, "stable"), 3, 3),
        (lambda: promoted(4, "canary"), 3, 4),
        (rolled_back, 3, 3),
        (promoted_twice, 4, 4),
        (lambda: promoted(1, "stable"), 1, 4),  # let go of long ago
    ]
    promoted(1, "stable")
    write = [PROGRAM, "models-config", Path(dev.remote) / dev.file, "-r", models, "-o", config]
    subprocess.run([str(word) for word in write], check=True)
    with (
        ServerProcess(config, tmp_path / "log", *flags) as server,
        follower(dev, models, config, server.target),
        Load(server.target, MODEL, ["stable", "canary"]) as load,
    ):
        for step, stable, canary in steps:
            step()
            until(lambda now={"stable": stable, "canary": canary}: load.labelled == now, load)  # type: ignore[misc]
        assert server.running()
    assert not load.failures
    assert load.answered > len(steps)
