"""Settings of load tests are YAML files; every fault in one is named."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from kuberec.dataset import Strict, explain
from kuberec.errors import ConfigError
from kuberec.yaml_file import read_yaml

S = TypeVar("S", bound=Strict)


def read_settings(path: Path, kind: type[S]) -> S:
    """Read a YAML file into settings.

    Raises:
        SourceError: The file cannot be read.
        ConfigError: It is no YAML, or a field is unknown, missing, mistyped or out of range.
    """
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}.") from error
