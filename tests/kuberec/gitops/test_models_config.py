from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kuberec.gitops.models_config import keep_models, models_config, next_config, read, told, write
from kuberec.gitops.versions import Served, read_versions
from kuberec.serving.config import read_config
from tests.kuberec.gitops.deployment import SERVED_YAML

MODELS = Path("/models")


def config(versions: list[int], **labels: int) -> Any:
    return models_config({"m": Served(tuple(versions), labels)}, MODELS)


def loaded(*versions: int) -> Any:
    return lambda name: set(versions)


def test_a_models_config_says_what_the_version_file_says(tmp_path: Path) -> None:
    write(tmp_path / "models.config", models_config(read_versions(SERVED_YAML, ""), MODELS))
    expected = """
        model_config_list {
          config {
            name: "films" base_path: "/models/films" model_platform: "tensorflow"
            model_version_policy { specific { versions: 7 } } version_labels { key: "stable" value: 7 }
          }
          config {
            name: "recommender" base_path: "/models/recommender" model_platform: "tensorflow"
            model_version_policy { specific { versions: 1 } }
            version_labels { key: "canary" value: 1 } version_labels { key: "stable" value: 1 }
          }
        }"""
    assert read_config(tmp_path / "models.config") == text_format.Parse(
        expected, model_server_config_pb2.ModelServerConfig()
    )


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "models.config", config([1, 2], stable=1, canary=2))
    assert read(tmp_path / "models.config") == config([1, 2], stable=1, canary=2)


@pytest.mark.parametrize("content", [None, b"", b"half a con", b"\xff"])
def test_what_is_no_config_counts_as_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "models.config").write_bytes(content)
    assert read(tmp_path / "models.config") is None


def test_no_models_are_a_list_without_models(tmp_path: Path) -> None:
    write(tmp_path / "models.config", models_config({}, MODELS))
    assert read_config(tmp_path / "models.config").WhichOneof("config") == "model_config_list"
    assert read(tmp_path / "models.config") == models_config({}, MODELS)


def test_a_config_is_told_in_a_line() -> None:
    served = {"m": Served((1, 2), {"stable": 1, "canary": 2}), "n": Served((7,), {"stable": 7})}
    assert told(models_config(served, MODELS)) == "m 1, 2 (canary 2, stable 1); n 7 (stable 7)"


def test_a_model_that_is_kept_stays_as_it_is_or_out() -> None:
    old, new = Served((1,), {"stable": 1}), Served((2,), {"stable": 2})
    current, wanted = models_config({"a": old, "b": old}, MODELS), models_config({"a": new, "b": new, "c": new}, MODELS)
    assert keep_models(wanted, current, {"b", "c"}) == models_config({"a": new, "b": old}, MODELS)
    assert keep_models(wanted, None, set()) == wanted


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
