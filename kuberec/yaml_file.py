"""Reads YAML files; every way in which that fails is told."""

from pathlib import Path
from typing import Any

import yaml

from kuberec.errors import ConfigError, SourceError


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; None for an empty one.

    Raises:
        SourceError: The file cannot be read.
        ConfigError: It is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist. Name a YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from error
