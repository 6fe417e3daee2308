from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kuberec.errors import PromotionError
from kuberec.gitops.follow import Follower, models_config, next_config
from kuberec.serving.config import read_config
from tests.kuberec.gitops.deployment import SERVED_YAML, VERSION_YAML


def config(versions: list[int], **labels: int) -> Any:
    text = f"models: {{m: {{versions: {versions}, labels: {labels}}}}}"
    return text_format.Parse(models_config(text, "/models"), model_server_config_pb2.ModelServerConfig())


def loaded(*versions: int) -> Any:
    return lambda name: set(versions)


def test_a_models_config_says_what_the_version_file_says(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(models_config(SERVED_YAML, "/models/"))
    expected = """
        model_config_list {
          config {
            name: "recommender" base_path: "/models/recommender" model_platform: "tensorflow"
            model_version_policy { specific { versions: 1 } }
            version_labels { key: "canary" value: 1 } version_labels { key: "stable" value: 1 }
          }
          config {
            name: "films" base_path: "/models/films" model_platform: "tensorflow"
            model_version_policy { specific { versions: 7 } } version_labels { key: "stable" value: 7 }
          }
        }"""
    assert read_config(tmp_path / "models.config") == text_format.Parse(
        expected, model_server_config_pb2.ModelServerConfig()
    )


def test_a_file_without_models_is_a_list_without_models() -> None:
    parsed = text_format.Parse(models_config(VERSION_YAML, "/m"), model_server_config_pb2.ModelServerConfig())
    assert parsed.WhichOneof("config") == "model_config_list"


def test_a_bad_file_is_named() -> None:
    with pytest.raises(PromotionError, match=r"dev/version\.yaml has no mapping"):
        models_config("", "/models", "dev/version.yaml")


def test_the_first_config_is_what_is_wanted() -> None:
    wanted = config([1, 2], stable=2)
    assert next_config(None, wanted, loaded()) == wanted


def test_a_label_in_use_waits_until_its_version_is_available() -> None:
    current, wanted = config([1, 2], stable=1, canary=2), config([2, 3], stable=3, canary=3)
    step = next_config(current, wanted, loaded(1, 2))
    assert step == config([1, 2, 3], stable=1, canary=2)
    assert next_config(step, wanted, loaded(1, 2)) == step
    assert next_config(step, wanted, loaded(1, 2, 3)) == wanted


def test_a_label_to_what_is_available_moves_at_once() -> None:
    wanted = config([1, 2], stable=2, canary=2)
    assert next_config(config([1, 2], stable=1, canary=2), wanted, loaded(1, 2)) == wanted


def test_versions_are_dropped_without_asking_anybody() -> None:
    def nobody(name: str) -> set[int]:
        raise AssertionError(name)

    assert next_config(config([1, 2], stable=2), config([2], stable=2), nobody) == config([2], stable=2)


def test_what_is_wanted_may_change_on_the_way() -> None:
    step = next_config(config([1], stable=1), config([1, 2], stable=2), loaded(1))
    back = config([1], stable=1)
    assert next_config(step, back, loaded(1, 2)) == back
    assert next_config(step, config([1, 3], stable=3), loaded(1, 2)) == config([1, 2, 3], stable=1)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    version_file, output = tmp_path / "version.yaml", tmp_path / "models.config"
    version_file.write_text(SERVED_YAML)
    yield version_file, output
    assert {path.name for path in tmp_path.iterdir()} <= {"version.yaml", "models.config"}


def follow(version_file: Path, output: Path, rounds: int = 1) -> None:
    """Follow for some rounds, with a server that nobody reaches."""
    left = iter([False] * rounds)
    Follower(version_file, "/models", output, "localhost:1").follow(lambda: next(left, True), poll_seconds=0)


def test_an_unchanged_file_is_not_written_again(files: tuple[Path, Path]) -> None:
    follow(*files)
    written = files[1].stat()
    follow(*files, rounds=3)
    assert files[1].stat().st_ino == written.st_ino


def test_without_the_server_labels_in_use_stay(files: tuple[Path, Path]) -> None:
    version_file, output = files
    follow(version_file, output)
    version_file.write_text(SERVED_YAML.replace("[1] ", "[1, 2] ").replace("canary: 1", "canary: 2"))
    follow(version_file, output)
    model = read_config(output).model_config_list.config[0]
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}


@pytest.mark.parametrize("text", ["models: [", None])
def test_a_bad_file_changes_nothing_and_is_told_once(
    files: tuple[Path, Path], text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    version_file, output = files
    follow(version_file, output)
    before = output.read_text()
    version_file.unlink()
    if text:
        version_file.write_text(text)
    follow(version_file, output, rounds=3)
    assert output.read_text() == before
    assert [record.levelname for record in caplog.records if "stays as it is" in record.message] == ["WARNING"]


def test_a_damaged_output_is_written_anew(files: tuple[Path, Path]) -> None:
    files[1].write_text("half a con")
    follow(*files)
    assert read_config(files[1]).model_config_list.config[0].name == "recommender"
