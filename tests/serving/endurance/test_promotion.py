"""A model server follows each commit of a Git repository while clients ask without a pause: nothing fails."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuberec.gitops.promotion import Environment, promote_version, rollback
from tests.kuberec.gitops.deployment import MODEL, VERSION_YAML, make_checkout, publish
from tests.kuberec.gitops.following import Following
from tests.kuberec.object_store import object_store
from tests.serving.endurance.load import Load, save_ballast, until
from tests.serving.endurance.process import ServerProcess

FLAGS = ("--model_config_file_poll_wait_seconds=0.2", "--allow_version_labels_for_unavailable_models")
AS_TF_SERVING = "--strict"
GRAPH = "saved_model.pb"

pytestmark = pytest.mark.slow


class Deployment:
    """A Git repository with a checkout, a model repository with four versions, and a server's folder."""

    def __init__(self, folder: Path, models: str) -> None:
        """Publish the versions and promote the first one."""
        self.folder = folder
        self.models = models
        self.target = folder / "served"
        self.dev = Environment(str(make_checkout(folder / "deploy", VERSION_YAML)), "dev")
        save_ballast(folder / "saved")
        for number in (1, 2, 3, 4):
            publish(models, number, self._fill, work=folder / "steps")
        self.promote(1, "stable")

    def promote(self, version: int, label: str) -> None:
        promote_version(self.dev, self.models, MODEL, version, label=label)

    def promote_at_once(self, version: int) -> None:
        """Two commits that the server does not see apart."""
        self.promote(version, "canary")
        self.promote(version, "stable")

    def roll_back(self) -> None:
        rollback(self.dev, self.models, MODEL, "to see it work")

    def following(self, *words: object, repository: object = "") -> Following:
        versions = Path(self.dev.remote) / self.dev.file
        files = ("--versions", versions, "--repository", repository or self.models, "--target", self.target)
        return Following(self.folder / "sync.log", *files, *words)

    def serve(self, *flags: str) -> ServerProcess:
        """Start a server as the pod does: when its config is there."""
        with self.following("--once") as command:
            command.wait()
        return ServerProcess(self.target / "models.config", self.folder / "log", *FLAGS, *flags)

    def copied(self) -> set[str]:
        return {path.name for path in (self.target / MODEL).iterdir()}

    def _fill(self, folder: Path) -> None:
        shutil.copytree(self.folder / "saved", folder, dirs_exist_ok=True)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    with object_store(tmp_path, "models") as uri:
        yield uri


@pytest.mark.parametrize("storage", ["folder", "object store"])
def test_a_server_follows_each_commit_without_a_failed_request(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    in_folder = storage == "folder"
    there = Deployment(tmp_path, str(tmp_path / "models") if in_folder else request.getfixturevalue("bucket"))
    steps: list[tuple[Callable[[], None], int, int]] = [
        (lambda: there.promote(2, "canary"), 1, 2),
        (lambda: there.promote(2, "stable"), 2, 2),
        (there.roll_back, 1, 2),
        (there.roll_back, 2, 2),
        (lambda: there.promote(3, "stable"), 3, 3),
        (lambda: there.promote(4, "canary"), 3, 4),
        (there.roll_back, 3, 3),
        (lambda: there.promote_at_once(4), 4, 4),
        (lambda: there.promote(1, "stable"), 1, 4),  # deleted long ago
    ]
    with (
        there.serve(*([] if in_folder else [AS_TF_SERVING])) as server,
        there.following("--server", server.target),
        Load(server.target, MODEL, ["stable", "canary"]) as load,
    ):
        for step, stable, canary in steps:
            step()
            until(lambda now={"stable": stable, "canary": canary}: load.labelled == now, load)  # type: ignore[misc]
        until(lambda: there.copied() == {"1", "4"}, load)
        assert server.running()
    assert not load.failures
    assert load.answered > len(steps)


@pytest.mark.parametrize("flags", [(), (AS_TF_SERVING,)], ids=["embedded", "as TF Serving"])
def test_what_goes_wrong_on_the_way_fails_no_request(flags: tuple[str, ...], tmp_path: Path) -> None:
    models, mount = tmp_path / "models", tmp_path / "mount"
    there = Deployment(tmp_path, str(models))

    def labelled(stable: int, canary: int) -> Callable[[], bool]:
        return lambda: load.labelled == {"stable": stable, "canary": canary}

    def promote_unseen(version: int) -> Path:
        """Promote while the repository is away; returns the version's graph, kept apart."""
        mount.unlink()
        there.promote(version, "canary")
        return (models / MODEL / str(version) / GRAPH).rename(tmp_path / GRAPH)

    publish(models, 5, lambda folder: (folder / GRAPH).write_text("no graph"), work=tmp_path / "steps")
    with (
        there.serve(*flags, "--max_num_load_retries=0") as server,
        Load(server.target, MODEL, ["stable", "canary"]) as load,
    ):
        command = there.following("--server", server.target, repository=mount)
        with command:
            mount.symlink_to(models)
            until(labelled(1, 1), load)

            graph = promote_unseen(2)
            until(lambda: command.said("2 is no finished artifact") > 0, load)
            (models / MODEL / "2" / GRAPH).write_bytes(b"damaged")
            mount.symlink_to(models)
            until(lambda: command.said("2 does not hold what was published") > 0, load)
            assert load.labelled == {"stable": 1, "canary": 1}
            graph.rename(models / MODEL / "2" / GRAPH)
            until(labelled(1, 2), load)

            graph = promote_unseen(3)
            os.mkfifo(models / MODEL / "3" / GRAPH)  # whoever reads it waits
            mount.symlink_to(models)
            until((there.target / MODEL / ".3").exists, load)
            command.kill()
        assert load.labelled == {"stable": 1, "canary": 2}
        graph.rename(models / MODEL / "3" / GRAPH)
        with there.following("--server", server.target, repository=mount) as again:
            until(labelled(1, 3), load)
            mount.unlink()
            there.roll_back()
            until(labelled(1, 2), load)
            until(lambda: there.copied() == {"1", "2"}, load)

            mount.symlink_to(models)
            there.promote(5, "canary")
            until(lambda: again.said(f"Version 5 of {MODEL} does not load") > 0, load)
            assert load.labelled == {"stable": 1, "canary": 2}
            there.roll_back()
            until(lambda: there.copied() == {"1", "2"}, load)
        assert server.running()
    assert not load.failures


def test_a_server_of_one_label_answers_every_label(tmp_path: Path) -> None:
    there = Deployment(tmp_path, str(tmp_path / "models"))
    steps: list[tuple[Callable[[], None], int]] = [
        (lambda: there.promote(2, "canary"), 2),
        (lambda: there.promote(3, "canary"), 3),
        (there.roll_back, 2),
    ]
    with (
        there.serve(AS_TF_SERVING) as server,
        there.following("--server", server.target, "--label", "canary"),
        Load(server.target, MODEL, ["stable", "canary"]) as load,
    ):
        for step, version in steps:
            step()
            until(lambda now=version: load.labelled == {"stable": now, "canary": now}, load)  # type: ignore[misc]
            until(lambda now=version: there.copied() == {str(now)}, load)  # type: ignore[misc]
    assert not load.failures
