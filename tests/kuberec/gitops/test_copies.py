"""Copies of versions: whole and as published, or not there."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuberec.artifacts import MANIFEST, read_manifest, verify_artifact
from kuberec.errors import ArtifactError, KuberecError, PromotionError, ServingError
from kuberec.gitops.copies import Copies, copy_version
from kuberec.storage import open_folder
from tests.kuberec.gitops.deployment import MODEL, publish
from tests.kuberec.object_store import object_store

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3"), "models") as uri:
        yield uri


@pytest.fixture(params=["folder", "file://", "object store"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A repository with version 1."""
    folder = tmp_path / "models"
    if request.param == "object store":
        uri = f"{request.getfixturevalue('store')}/{tmp_path.name}"
    else:
        uri = str(folder) if request.param == "folder" else folder.as_uri()
    publish(uri, 1, work=tmp_path / "steps")
    return uri


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_holds_what_was_judged(repository: str, tmp_path: Path) -> None:
    source, copy = open_folder(repository) / MODEL / "1", tmp_path / "served" / MODEL / "1"
    copy_version(source, copy)
    assert names(copy) == {"saved_model.pb", "model_card.md", MANIFEST}
    assert verify_artifact(copy) == read_manifest(source)
    assert [path.name for path in copy.parent.iterdir()] == ["1"]


def test_a_whole_copy_needs_no_repository(repository: str, tmp_path: Path) -> None:
    copy = tmp_path / "served" / MODEL / "1"
    copy_version(open_folder(repository) / MODEL / "1", copy)
    copy_version(tmp_path / "absent", copy)
    verify_artifact(copy)


def test_a_copy_that_was_damaged_is_made_anew(repository: str, tmp_path: Path) -> None:
    source, copy = open_folder(repository) / MODEL / "1", tmp_path / "served" / MODEL / "1"
    copy_version(source, copy)
    (copy / "saved_model.pb").write_text("")
    copy_version(source, copy)
    verify_artifact(copy)


def test_what_a_killed_copy_left_is_replaced(repository: str, tmp_path: Path) -> None:
    left = tmp_path / "served" / MODEL / ".1"
    left.mkdir(parents=True)
    (left / "saved_model.pb").write_text("half")
    (left / "more").write_text("")
    copy_version(open_folder(repository) / MODEL / "1", left.with_name("1"))
    assert names(left.parent) == {f"1/{name}" for name in ("saved_model.pb", "model_card.md", MANIFEST)}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "saved_model.pb").write_text("other"), "saved_model.pb was changed"),
        (lambda folder: (folder / "saved_model.pb").unlink(), "saved_model.pb"),
        (lambda folder: (folder / MANIFEST).unlink(), "is no finished artifact"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "cannot be read"),
    ],
    ids=["changed", "missing", "unfinished", "unreadable"],
)
def test_what_is_not_as_published_is_never_a_copy(
    repository: str, tmp_path: Path, damage: Callable[[object], object], told: str
) -> None:
    source, copy = open_folder(repository) / MODEL / "1", tmp_path / "served" / MODEL / "1"
    damage(source)
    with pytest.raises((ArtifactError, OSError), match=told):
        copy_version(source, copy)
    assert not copy.parent.exists() or list(copy.parent.iterdir()) == []


def test_a_manifest_cannot_name_what_lies_outside(tmp_path: Path) -> None:
    publish(tmp_path / "models", 1)
    manifest = tmp_path / "models" / MODEL / "1" / MANIFEST
    manifest.write_text(manifest.read_text().replace('"model_card.md"', '"../../model_card.md"'))
    with pytest.raises(ArtifactError, match="lies outside of the version's folder"):
        copy_version(manifest.parent, tmp_path / "served" / MODEL / "1")
    assert not list(tmp_path.glob("served/**/model_card.md"))


class Told:
    """What a `Copies` reported last, by copy."""

    def __init__(self) -> None:
        self.troubles: dict[str, str] = {}

    def __call__(self, subject: str, trouble: KuberecError | None) -> None:
        self.troubles[subject] = str(trouble) if trouble else ""


@pytest.fixture
def told() -> Told:
    return Told()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_version_is_ready_when_its_copy_is_whole(repository: str, tmp_path: Path, told: Told) -> None:
    copies = Copies(repository, tmp_path / "served", told)
    assert not copies.ready(MODEL, 1)
    until(lambda: copies.ready(MODEL, 1))
    verify_artifact(tmp_path / "served" / MODEL / "1")
    assert told.troubles == {str(tmp_path / "served" / MODEL / "1"): ""}


def test_what_is_not_there_is_told_and_tried_again(tmp_path: Path, told: Told) -> None:
    copies = Copies(str(tmp_path / "models"), tmp_path / "served", told)
    until(lambda: copies.ready(MODEL, 1) or told.troubles)
    assert "1 is no finished artifact" in told.troubles[str(tmp_path / "served" / MODEL / "1")]
    publish(tmp_path / "models", 1)
    until(lambda: copies.ready(MODEL, 1))
    assert told.troubles == {str(tmp_path / "served" / MODEL / "1"): ""}


def test_new_credentials_are_used(store: str, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = f"{store}/{tmp_path.name}"
    publish(repository, 1, work=tmp_path / "steps")
    credentials = Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"])
    text = credentials.read_text()
    copies = Copies(repository, tmp_path / "served", told)
    credentials.write_text("")
    until(lambda: copies.ready(MODEL, 1) or told.troubles)
    credentials.write_text(text)
    assert "credentials" in told.troubles[str(tmp_path / "served" / MODEL / "1")]
    until(lambda: copies.ready(MODEL, 1))


def test_one_version_does_not_wait_for_another(tmp_path: Path, told: Told) -> None:
    for number in (1, 2):
        publish(tmp_path / "models", number)
    stuck = tmp_path / "models" / MODEL / "1" / "saved_model.pb"
    content = stuck.read_text()
    stuck.unlink()
    os.mkfifo(stuck)  # whoever reads it waits for a writer
    copies = Copies(str(tmp_path / "models"), tmp_path / "served", told)
    assert not copies.ready(MODEL, 1)
    until(lambda: copies.ready(MODEL, 2))
    assert not copies.ready(MODEL, 1)
    with stuck.open("w") as writer:
        writer.write(content)
    until(lambda: copies.ready(MODEL, 1))


def test_what_is_not_needed_is_named_and_can_be_removed(tmp_path: Path, told: Told) -> None:
    target = tmp_path / "served"
    for number in (1, 2):
        publish(tmp_path / "models", number)
    copies = Copies(str(tmp_path / "models"), target, told)
    until(lambda: copies.ready(MODEL, 1) and copies.ready(MODEL, 2))
    for path in (f"{MODEL}/.7/variables", "films/3", f"{MODEL}/notes"):
        (target / path).mkdir(parents=True)
    assert sorted(copies.besides({MODEL: {2}})) == [("films", 3), (MODEL, 1), (MODEL, 7)]
    for name, version in list(copies.besides({MODEL: {2}})):
        copies.remove(name, version)
    assert sorted(path.name for path in (target / MODEL).iterdir()) == ["2", "notes"]
    assert not copies.ready(MODEL, 1)
    until(lambda: copies.ready(MODEL, 1))


def test_a_copy_on_its_way_is_removed_when_it_has_come(tmp_path: Path, told: Told) -> None:
    publish(tmp_path / "models", 1)
    stuck = tmp_path / "models" / MODEL / "1" / "saved_model.pb"
    content = stuck.read_text()
    stuck.unlink()
    os.mkfifo(stuck)
    copies = Copies(str(tmp_path / "models"), tmp_path / "served", told)
    assert not copies.ready(MODEL, 1)
    until((tmp_path / "served" / MODEL / ".1").exists)
    assert list(copies.besides({})) == []
    with stuck.open("w") as writer:
        writer.write(content)
    until((tmp_path / "served" / MODEL / "1").exists)
    until(lambda: list(copies.besides({})) == [(MODEL, 1)])
    copies.remove(MODEL, 1)
    assert not list((tmp_path / "served" / MODEL).iterdir())


def test_a_folder_that_holds_other_versions_is_no_target(tmp_path: Path, told: Told) -> None:
    publish(tmp_path / "models", 1)
    (tmp_path / "other" / MODEL / "1").mkdir(parents=True)
    with pytest.raises(PromotionError, match="is the model repository itself"):
        Copies(str(tmp_path / "models"), tmp_path / "models", told)
    with pytest.raises(PromotionError, match="holds versions that were not copied there"):
        Copies(str(tmp_path / "models"), tmp_path / "other", told)
    with pytest.raises(PromotionError, match="cannot be written"):
        Copies(str(tmp_path / "models"), tmp_path / "models" / MODEL / "1" / MANIFEST / "x", told)
    with pytest.raises(ServingError, match="tape://models cannot be reached"):
        Copies("tape://models", tmp_path / "served", told)


def test_its_own_folder_is_taken_again(tmp_path: Path, told: Told) -> None:
    publish(tmp_path / "models", 1)
    copies = Copies(str(tmp_path / "models"), tmp_path / "served", told)
    until(lambda: copies.ready(MODEL, 1))
    Copies(str(tmp_path / "models"), tmp_path / "served", told)
