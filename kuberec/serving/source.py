"""Where a server's config comes from, and how often it is read again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuberec.errors import ServingError
from kuberec.serving.config import folder_config, local_path, read_config, single_model

KEPT_VERSIONS = 2
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Source:
    """A config and its way to change.

    Attributes:
        read: Gives the ModelServerConfig as it is now.
        poll_seconds: Time between two readings; 0 reads once.
        reloadable: Whether HandleReloadConfigRequest may replace the config.
    """

    read: Callable[[], Any]
    poll_seconds: float = 0.0
    reloadable: bool = True


def repository(folder: Path | str, *, kept_versions: int = KEPT_VERSIONS, poll_seconds: float = POLL_SECONDS) -> Source:
    """Every model of a repository folder `<folder>/<model>/<integer version>/`, also those that come later.

    Args:
        folder: The repository.
        kept_versions: How many of a model's newest versions stay addressable, at least 1.
        poll_seconds: Time between two looks for new models.

    Raises:
        ServingError: The folder does not exist.
    """
    base = Path(folder)
    if not base.is_dir():
        raise ServingError(
            f"The model repository {folder} is no folder. Promote a model into it, or name another with --repository."
        )
    return Source(lambda: folder_config(base, kept_versions), poll_seconds, reloadable=False)


def config_file(path: Path, *, poll_seconds: float = 0.0) -> Source:
    """The models of a `models.config` file.

    Args:
        path: The text file.
        poll_seconds: Time between two readings; 0 reads it once.
    """
    return Source(lambda: read_config(path), poll_seconds)


def base_path(name: str, path: str, *, strict: bool = False) -> Source:
    """One model, whose newest version is served.

    Args:
        name: The model's name.
        path: The folder of its version folders.
        strict: Wait for a folder that is missing, as TF Serving does.

    Raises:
        ServingError: The folder does not exist.
    """
    absolute = path if "://" in path else str(Path(path).absolute())
    if not strict and not _is_folder(absolute):
        raise ServingError(
            f"The base path {path} is no folder on this machine. Name one that holds version folders (1/, 2/, …) with "
            "--model_base_path; with --strict the server waits for it, as TF Serving does."
        )
    return Source(lambda: single_model(name, absolute))


def _is_folder(path: str) -> bool:
    try:
        return local_path(path).is_dir()
    except OSError:
        return False
