"""What is served → the `models.config` of a model server, by steps that the server takes.

TF Serving moves labels before it loads versions, and refuses a config that moves a label in use to a version that is
not available; it would keep refusing for ever. So a change is taken in two steps: old and new versions with the old
labels, and, once the server says that the new ones are available, what is wanted. A version that does not come up
leaves the labels where they are. Which step is next is read from the written file and the server alone, so that whoever
writes it may be killed at any moment.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kuberec.artifacts import write_text
from kuberec.gitops.versions import Served

PLATFORM = "tensorflow"

Config = Any
"""A ModelServerConfig."""


def models_config(served: Mapping[str, Served], folder: Path) -> Config:
    """The config that serves versions with their labels.

    Args:
        served: By model.
        folder: Absolute; each model has a folder of its name there.
    """
    config = model_server_config_pb2.ModelServerConfig()
    models = config.model_config_list
    models.SetInParent()
    for name, each in sorted(served.items()):
        model = models.config.add(name=name, base_path=str(folder / name), model_platform=PLATFORM)
        model.model_version_policy.specific.versions.extend(each.versions)
        model.version_labels.update(each.labels)
    return config


def next_config(current: Config | None, wanted: Config, available: Callable[[str], set[int]]) -> Config:
    """The config that a server may be given next on its way from one to another.

    Args:
        current: What it was given last; None when it was given nothing.
        wanted: What it shall serve in the end.
        available: The versions of a model that the server says are available; asked only where labels move.
    """
    step = model_server_config_pb2.ModelServerConfig()
    step.CopyFrom(wanted)
    before = {model.name: model for model in models_of(current)}
    for model in models_of(step):
        old = before.get(model.name)
        moved = _moved(old, model) if old else set()
        if old and moved and not moved <= available(model.name):
            versions = versions_of(old) | versions_of(model)
            model.version_labels.clear()
            model.version_labels.update(old.version_labels)
            model.model_version_policy.specific.versions[:] = sorted(versions)
    return step


def keep_models(config: Config, current: Config | None, names: set[str]) -> Config:
    """A config in which some models stay as they are in the current one; those that are not there are left out."""
    models = [model for model in models_of(config) if model.name not in names]
    models += [model for model in models_of(current) if model.name in names]
    result = model_server_config_pb2.ModelServerConfig()
    result.model_config_list.SetInParent()
    result.model_config_list.config.extend(sorted(models, key=lambda model: str(model.name)))
    return result


def read(file: Path) -> Config | None:
    """The config that was written last; what is no config counts as nothing."""
    try:
        config = text_format.Parse(file.read_text(encoding="utf-8"), model_server_config_pb2.ModelServerConfig())
    except (FileNotFoundError, UnicodeDecodeError, text_format.ParseError):
        return None
    return config if config.HasField("model_config_list") else None


def write(file: Path, config: Config) -> None:
    """Write a config as text, by a rename."""
    write_text(file, str(text_format.MessageToString(config)))


def told(config: Config) -> str:
    """A config in a line, for the log: `recommender 3, 4 (canary 4, stable 3)`."""
    return "; ".join(
        f"{model.name} {', '.join(map(str, sorted(versions_of(model))))} "
        f"({', '.join(f'{label} {version}' for label, version in sorted(model.version_labels.items()))})"
        for model in models_of(config)
    )


def models_of(config: Config | None) -> list[Any]:
    """The models of a config; none of None."""
    return list(config.model_config_list.config) if config else []


def versions_of(model: Any) -> set[int]:
    """The versions that a model's config names."""
    return set(model.model_version_policy.specific.versions)


def _moved(old: Any, new: Any) -> set[int]:
    """The versions that labels in use move to."""
    return {version for label, version in new.version_labels.items() if old.version_labels.get(label) != version}
