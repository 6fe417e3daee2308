"""From a version.yaml to copies and a models.config; servers that follow are in `tests/serving/endurance`."""

import os
from pathlib import Path
from typing import Any

import pytest

from kuberec.artifacts import verify_artifact
from kuberec.errors import ArtifactError, KuberecError, PromotionError, ServingError
from kuberec.gitops.sync import Sync
from kuberec.serving.config import read_config
from tests.kuberec.gitops.deployment import MODEL, publish
from tests.kuberec.gitops.following import Following
from tests.kuberec.gitops.test_copies import until

NOBODY = "localhost:1"
"""A server that nobody reaches."""


class Pod:
    """A model repository with versions 1 to 3, and the files that a server and `sync-models` share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.versions = folder / "version.yaml"
        self.target = folder / "served"
        for number in (1, 2, 3):
            publish(self.models, number)

    def asks(self, text: str) -> None:
        """Replace the version.yaml, as Kubernetes replaces a mounted one: by a rename."""
        (self.folder / "new.yaml").write_text(text, encoding="utf-8")
        (self.folder / "new.yaml").rename(self.versions)

    def sync_once(self, label: str = "", server: str = NOBODY) -> None:
        Sync(self.versions, str(self.models), self.target, server, label).follow(once=True)

    def following(self, *words: object) -> Following:
        files = ("--versions", self.versions, "--repository", self.models.as_uri(), "--target", self.target)
        return Following(self.folder / "log", *files, "--server", NOBODY, *words)

    def says(self) -> dict[str, tuple[list[int], dict[str, int]]]:
        """Versions and labels of each model in models.config."""
        models = read_config(self.target / "models.config").model_config_list.config
        return {each.name: (versions(each), dict(each.version_labels)) for each in models}

    def copied(self) -> set[str]:
        return {path.relative_to(self.target).as_posix() for path in self.target.glob("*/*")}


def versions(model: Any) -> list[int]:
    return list(model.model_version_policy.specific.versions)


def served(numbers: list[int], **labels: int) -> str:
    return f"models: {{{MODEL}: {{versions: {numbers}, labels: {labels}}}}}"


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_what_the_file_names_is_copied_and_exposed(pod: Pod) -> None:
    pod.asks(served([1, 3], stable=1, canary=3))
    pod.sync_once()
    assert pod.says() == {MODEL: ([1, 3], {"stable": 1, "canary": 3})}
    assert pod.copied() == {f"{MODEL}/1", f"{MODEL}/3"}
    (model,) = read_config(pod.target / "models.config").model_config_list.config
    verify_artifact(Path(model.base_path) / "3")


def test_once_more_changes_nothing(pod: Pod) -> None:
    pod.asks(served([1], stable=1))
    pod.sync_once()
    before = (pod.target / "models.config").stat().st_ino
    pod.sync_once()
    assert (pod.target / "models.config").stat().st_ino == before


def test_an_environment_without_a_model_is_a_config_without_one(pod: Pod) -> None:
    pod.asks("models: {}\n")
    pod.sync_once()
    assert pod.says() == {}


def test_with_a_label_its_version_is_served_as_if_there_were_no_other(pod: Pod) -> None:
    pod.asks(served([1, 2], stable=1, canary=2))
    pod.sync_once(label="canary")
    assert pod.says() == {MODEL: ([2], {"stable": 2, "canary": 2})}
    assert pod.copied() == {f"{MODEL}/2"}


def test_a_model_without_the_label_is_left_out(pod: Pod, caplog: pytest.LogCaptureFixture) -> None:
    pod.asks(served([1], stable=1))
    pod.sync_once(label="canary")
    assert pod.says() == {}
    assert f"No version of {MODEL} is labelled canary" in caplog.text


def test_without_the_server_labels_in_use_stay(pod: Pod) -> None:
    pod.asks(served([1], stable=1))
    pod.sync_once()
    pod.asks(served([2], stable=2))
    with pytest.raises(ServingError, match=f"The labels of {MODEL} wait for the server.*{NOBODY}"):
        pod.sync_once()
    with pod.following() as command:
        until(lambda: command.said("wait for the server") and pod.says() == {MODEL: ([1, 2], {"stable": 1})})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: [", "is no YAML"),
        ("", "has no mapping `models`"),
        (served([7], stable=7), "models/recommender/7 is no finished artifact"),
        (None, "No such file"),
    ],
    ids=["no YAML", "empty", "not published", "missing"],
)
def test_once_ends_with_what_is_wrong_and_changes_nothing(pod: Pod, text: str | None, told: str) -> None:
    pod.asks(served([1], stable=1))
    pod.sync_once()
    pod.asks(text or "")
    if text is None:
        pod.versions.unlink()
    with pytest.raises(KuberecError, match=told):
        pod.sync_once()
    assert pod.says() == {MODEL: ([1], {"stable": 1})}


def test_nothing_is_exposed_before_everything_is_whole(pod: Pod) -> None:
    damaged = pod.models / MODEL / "3" / "saved_model.pb"
    content = damaged.read_text()
    damaged.write_text("other")
    pod.asks(served([1, 3], stable=1, canary=3))
    with pytest.raises(ArtifactError, match=r"models/recommender/3 does not hold what was published"):
        pod.sync_once()
    assert not (pod.target / "models.config").exists()
    damaged.write_text(content)
    pod.sync_once()
    assert pod.says() == {MODEL: ([1, 3], {"stable": 1, "canary": 3})}


def test_a_bad_file_and_a_damaged_version_are_told_once_and_tried_again(pod: Pod) -> None:
    pod.asks(served([1], stable=1))
    with pod.following() as command:
        until(lambda: (pod.target / "models.config").exists())
        pod.asks("models: [")
        until(lambda: command.said("is no YAML"))
        damaged = pod.models / MODEL / "2" / "saved_model.pb"
        content = damaged.read_text()
        damaged.write_text("other")
        pod.asks(served([1, 2], stable=1))
        until(lambda: command.said("saved_model.pb was changed"))
        assert pod.says() == {MODEL: ([1], {"stable": 1})}
        damaged.write_text(content)
        until(lambda: pod.says() == {MODEL: ([1, 2], {"stable": 1})})
        assert command.said("is no YAML") == 1
        assert command.said("saved_model.pb was changed") == 1


def test_models_do_not_wait_for_each_other(pod: Pod) -> None:
    def two(number: int) -> str:
        return f"models: {{films: {{versions: [{number}]}}, {MODEL}: {{versions: [{number}]}}}}"

    (pod.models / MODEL / "1").rename(pod.folder / "1")
    (pod.models / "films").mkdir()
    (pod.folder / "1").rename(pod.models / "films" / "1")
    pod.asks(f"models: {{films: {{versions: [1]}}, {MODEL}: {{versions: [2]}}}}")
    with pod.following() as command:
        until(lambda: (pod.target / "models.config").exists())
        assert pod.says() == {"films": ([1], {}), MODEL: ([2], {})}
        pod.asks(two(3))
        until(lambda: pod.says() == {"films": ([1], {}), MODEL: ([3], {})})
        assert command.said("films/3 is no finished artifact")


@pytest.fixture
def stuck(pod: Pod) -> Path:
    """A file of version 2 that lets its reader wait: for a copy that is on its way as long as a test likes."""
    path = pod.models / MODEL / "2" / "saved_model.pb"
    path.rename(pod.folder / "saved_model.pb")
    os.mkfifo(path)
    return path


def test_who_is_killed_in_the_middle_of_a_copy_leaves_nothing_to_be_served(pod: Pod, stuck: Path) -> None:
    pod.asks(served([1, 2], stable=2))
    with pod.following() as command:
        until(lambda: pod.copied() == {f"{MODEL}/1", f"{MODEL}/.2"})
        command.kill()
    assert not (pod.target / "models.config").exists()
    (pod.folder / "saved_model.pb").rename(stuck)
    with pod.following():
        until(lambda: (pod.target / "models.config").exists())
    assert pod.says() == {MODEL: ([1, 2], {"stable": 2})}
    assert pod.copied() == {f"{MODEL}/1", f"{MODEL}/2"}


def test_a_rollback_does_not_wait_for_a_copy(pod: Pod, stuck: Path) -> None:
    pod.asks(served([1], stable=1))
    with pod.following():
        until(lambda: (pod.target / "models.config").exists())
        pod.asks(served([1, 2], stable=1))
        until(lambda: f"{MODEL}/.2" in pod.copied())
        pod.asks(served([1], stable=1, canary=1))
        pod.asks(served([1, 3], stable=1))
        until(lambda: pod.says() == {MODEL: ([1, 3], {"stable": 1})})


def test_a_target_is_checked_first(pod: Pod) -> None:
    with pytest.raises(PromotionError, match="is the model repository itself"):
        Sync(pod.versions, str(pod.models), pod.models, NOBODY)
