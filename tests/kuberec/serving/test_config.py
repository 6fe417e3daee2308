from pathlib import Path

import pytest

from kuberec.errors import ConfigError, ServingError
from kuberec.serving.config import local_path, read_config
from kuberec.serving.session import SAVED_MODEL_FILES
from kuberec.serving.source import base_path, config_file, repository
from kuberec.serving.versions import wanted_versions
from tests.serving.conformance.models import model

TEXT = """
model_config_list {
  config {
    name: "films"
    base_path: "/models/films"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
  }
}
"""


def test_a_config_file_is_text_proto(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text(TEXT)
    (films,) = read_config(tmp_path / "models.config").model_config_list.config
    assert (films.name, films.base_path) == ("films", "/models/films")
    assert list(films.model_version_policy.specific.versions) == [3, 4]
    assert films.version_labels == {"stable": 3}


def test_an_unreadable_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.config cannot be read: .*--model_config_file"):
        config_file(tmp_path / "models.config").read()
    (tmp_path / "models.config").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "models.config")


@pytest.mark.parametrize("text", ["model_config_list {", "models {}", "model_config_list { config { name: 1 } }", "{}"])
def test_a_bad_config_file_gets_the_words_that_programs_look_for(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(ConfigError, match=r"^Error parsing text-format tensorflow\.serving\.ModelServerConfig: "):
        read_config(tmp_path / "models.config")


def test_an_empty_config_file_is_an_empty_config(tmp_path: Path) -> None:
    (tmp_path / "models.config").touch()
    assert read_config(tmp_path / "models.config").WhichOneof("config") is None


def test_a_base_path_may_be_relative_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "films").mkdir()
    monkeypatch.chdir(tmp_path)
    (films,) = base_path("films", "films").read().model_config_list.config
    assert (films.name, films.base_path, films.model_platform) == ("films", str(tmp_path / "films"), "tensorflow")


@pytest.mark.parametrize("path", ["absent", "gs://bucket/films"])
def test_a_missing_base_path_is_named_and_strict_mode_waits_for_it(path: str) -> None:
    with pytest.raises(ServingError, match=f"The base path {path} is no folder on this machine"):
        base_path("films", path)
    assert base_path("films", path, strict=True).read().model_config_list.config[0].base_path.endswith(path)


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="absent is no folder"):
        repository(tmp_path / "absent")


def test_a_file_uri_is_a_path() -> None:
    assert local_path("file:///models/films") == Path("/models/films")
    with pytest.raises(OSError, match="gs://bucket is not on this machine; mount the storage"):
        local_path("gs://bucket")


def test_of_two_folders_with_one_number_the_last_counts_and_half_copied_ones_only_in_strict_mode(
    tmp_path: Path,
) -> None:
    for name in ("films/007", "films/7", "films/8"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("films/007", "films/7"):
        (tmp_path / name / "saved_model.pb").touch()
    films = model(tmp_path, "films", "all")
    assert wanted_versions(films, SAVED_MODEL_FILES) == {7: tmp_path / "films" / "7"}
    assert sorted(wanted_versions(films)) == [7, 8]
