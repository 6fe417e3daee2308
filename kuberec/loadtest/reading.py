"""Settings of load tests are YAML files; every fault in one is named."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from kuberec.errors import ConfigError, SourceError


class Settings(BaseModel):
    """Base of all settings: fixed once read, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


S = TypeVar("S", bound=Settings)


def read_settings(path: Path, kind: type[S]) -> S:
    """Read a YAML file into settings.

    Raises:
        SourceError: The file cannot be read.
        ConfigError: It is no YAML, or a field is unknown, missing, mistyped or out of range.
    """
    return parse_settings(_read(path), kind, str(path))


def parse_settings(values: Any, kind: type[S], where: str) -> S:
    """Check settings that are there already; `where` they are from is told in errors."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors(include_url=False)]
        raise ConfigError(f"{where}: {'; '.join(faults)}.") from error


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist. Name a YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {error}") from error


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("missing", "extra_forbidden") or not where:
        return f"{where}: {message}" if where else message
    return f"{where}: {message}, got {fault['input']!r}"
