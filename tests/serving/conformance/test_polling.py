"""Version folders that come and go while the server runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import USER, folder_of, refusal, reload, reload_request, wait_for, wait_until
from tests.serving.conformance.models import SHELF, base_config, model, publish


@pytest.fixture
def folder(target: str, models: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The base path of a model of the test's own, with version 1 served; its name is the folder's."""
    folder = folder_of(models, request.node.originalname)
    publish(models / SHELF / "recommender", folder / "1")
    reload(target, [model(models, folder.name)])
    wait_for(target, folder.name, [1])
    yield folder
    reload_request(target, base_config(models))
    wait_for(target, folder.name, [])
    shutil.rmtree(folder)


def test_a_newer_version_takes_over(target: str, models: Path, folder: Path) -> None:
    publish(models / SHELF / "recommender", folder / "2")
    wait_for(target, folder.name, [2])
    assert rpc.predict(target, folder.name, USER).model_spec.version.value == 2
    gone = ("NOT_FOUND", f"Servable not found for request: Specific({folder.name}, 1)")
    assert refusal(rpc.predict, target, folder.name, USER, version=1) == gone
    assert rpc.model_status(target, folder.name) == [(2, "AVAILABLE", 0, ""), (1, "END", 0, "")]


def test_when_the_newest_version_goes_the_one_before_returns(target: str, models: Path, folder: Path) -> None:
    publish(models / SHELF / "recommender", folder / "2")
    wait_for(target, folder.name, [2])
    shutil.rmtree(folder / "2")
    wait_for(target, folder.name, [1])


def test_leading_zeros_are_no_part_of_a_version(target: str, models: Path, folder: Path) -> None:
    publish(models / SHELF / "recommender", folder / "0000002")
    wait_for(target, folder.name, [2])


def test_folders_that_are_no_number_are_no_versions(target: str, models: Path, folder: Path) -> None:
    for name in ("v9", "9.0", "9.tmp", "latest"):
        publish(models / SHELF / "recommender", folder / name)
    publish(models / SHELF / "recommender", folder / "2")
    wait_for(target, folder.name, [2])


def test_the_last_good_version_answers_while_the_newest_cannot_be_loaded(target: str, folder: Path) -> None:
    (folder / ".2").mkdir()
    (folder / ".2" / "saved_model.pb").write_bytes(b"no graph")
    (folder / ".2").rename(folder / "2")
    wait_for_failure(target, folder.name, 2)
    assert rpc.predict(target, folder.name, USER).model_spec.version.value == 1


def wait_for_failure(target: str, name: str, version: int) -> None:
    wait_until(lambda: any(v == version and code for v, _, code, _ in rpc.model_status(target, name)))
