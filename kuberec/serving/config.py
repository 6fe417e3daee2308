"""Which models a server serves: TF Serving's ModelServerConfig, read from a file, from flags, or from a folder.

The checks stand in the order in which TF Serving makes them, in its words.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kuberec.errors import ConfigError
from kuberec.serving.status import invalid_argument

PLATFORM = "tensorflow"
FILE_SCHEME = "file://"

ModelServerConfig = model_server_config_pb2.ModelServerConfig


def read_config(path: Path) -> Any:
    """The ModelServerConfig of a `models.config` text file; an empty file is an empty config.

    Raises:
        ConfigError: The file cannot be read, or is no ModelServerConfig.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The model config file {path} cannot be read: {error}. Name a text file with --model_config_file."
        ) from error
    except text_format.ParseError as error:
        # These words are what programs look for on stderr.
        raise ConfigError(
            f"Error parsing text-format tensorflow.serving.ModelServerConfig: {error} (in {path}). "
            'Expected: model_config_list { config { name: "…" base_path: "/…" model_platform: "tensorflow" } }'
        ) from error


def single_model(name: str, base_path: str) -> Any:
    """The config of one model whose version folders lie in `base_path`."""
    config = ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def folder_config(folder: Path, kept_versions: int) -> Any:
    """The config of a repository: every model folder in it, the newest versions of each; hidden folders are none.

    Raises:
        OSError: The folder cannot be read.
    """
    config = ModelServerConfig()
    models = config.model_config_list.config
    for path in sorted(folder.absolute().iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            model = models.add(name=path.name, base_path=str(path), model_platform=PLATFORM)
            model.model_version_policy.latest.num_versions = kept_versions
    return config


def local_path(base_path: str) -> Path:
    """The folder that a base path names.

    Raises:
        OSError: It is a URI of a storage that is not mounted on this machine.
    """
    path = base_path.removeprefix(FILE_SCHEME)
    if "://" in path:
        raise OSError(f"{base_path} is not on this machine; mount the storage and name the folder")
    return Path(path)


def check_models(models: Iterable[Any]) -> None:
    """Refuse a list that names a model twice, or a base path that is relative.

    Raises:
        StatusError: In TF Serving's words.
    """
    names: set[str] = set()
    for model in models:
        if model.name in names:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in models:
        if not Path(model.base_path).is_absolute() and "://" not in model.base_path:
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )


def check_platform_changes(old: Iterable[Any], new: Iterable[Any]) -> None:
    """Refuse a model that changes its platform.

    Raises:
        StatusError: In TF Serving's words.
    """
    before = {model.name: _platform(model) for model in old}
    for model in new:
        if model.name in before and _platform(model) != before[model.name]:
            raise invalid_argument(
                f"Illegal to change a model's platform. For model {model.name} platform was {before[model.name]} and "
                f"new platform requested is {_platform(model)}"
            )


def check_platforms(models: Iterable[Any]) -> None:
    """Refuse models of a platform other than TensorFlow, and request logs, which TF Serving refuses as well.

    Raises:
        StatusError: In TF Serving's words.
    """
    for model in models:
        if _platform(model) != PLATFORM:
            raise invalid_argument(f"Model {model.name} requests unsupported platform {_platform(model)}")
    for model in models:
        if model.HasField("logging_config"):
            raise invalid_argument("No request-logger-creator provided.")


def _platform(model: Any) -> str:
    if model.model_type == model_server_config_pb2.TENSORFLOW and not model.model_platform:
        return PLATFORM
    if not model.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {model.name}"
        )
    return str(model.model_platform)
