"""The settings of a whole run, from data source to served version: read from YAML, overridden one by one."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kuberec.errors import ConfigError
from kuberec.seeds import LIMIT
from kuberec.yaml_file import read_yaml

Share = Annotated[float, Field(gt=0, lt=1)]
NONE_WORDS = ("null", "none", "~")


class RunConfig(BaseModel):
    """What one run of the training pipeline does; every field has a default, so an empty file is a valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    source: Annotated[str, Field(min_length=1)] = "movielens-100k"
    """`movielens-100k`, `movielens-1m`, or the path or URI of a `dataset.yaml`."""
    location: str = ""
    """Folder or URI that already holds the files of a built-in dataset; empty to fetch them."""
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Greatest share of rows that may be refused before validation stops the run."""
    strategy: Literal["temporal", "leave_one_out", "user", "ratio", "item"] = "temporal"
    """How interactions are divided into training, validation and test."""
    validation_share: Share = 0.1
    """Share of the interactions (or of the users or items, as the strategy goes) that choose the model."""
    test_share: Share = 0.1
    """Share of the interactions that judge it."""
    families: Annotated[list[str], Field(min_length=1)] = ["matrix_factorization", "triplet"]
    """Model families to train; the best on validation becomes the candidate."""
    seed: Annotated[int, Field(ge=0, lt=LIMIT)] = 0
    """Seed of everything random."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Greatest number of training epochs of the families that have any; null for each family's own default."""
    k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Length of the ranked lists that are judged."""
    metric: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*@[1-9][0-9]*$")] = "ndcg@10"
    """The metric of the gate, `name@k`."""
    margin: Annotated[float, Field(ge=-1, le=1)] = -0.02
    """What the lead over each rival must exceed with confidence, in the metric's unit; negative: how far the candidate
    may trail."""
    index_recall: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Least recall@10 of an index of a large catalogue; an index under it is refused, and every item is scored."""
    repository: Annotated[str, Field(min_length=1)] = "var/models"
    """The model repository that the server watches."""
    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] = "recommender"
    """The model's name in the repository and in requests."""
    git: str = ""
    """Git repository whose `version.yaml` says what is served; empty to publish into the model repository alone."""
    environment: Annotated[str, Field(min_length=1)] = "dev"
    """The overlay of that repository in which a passed candidate becomes the canary."""
    work_dir: Annotated[str, Field(min_length=1)] = "var/run"
    """Folder for the artifacts and the cache of the run."""

    @field_validator("families", mode="before")
    @classmethod
    def _split_families(cls, families: Any) -> Any:
        if isinstance(families, str):
            return [name.strip() for name in families.strip("[] ").split(",") if name.strip()]
        return families

    @field_validator("families")
    @classmethod
    def _distinct_families(cls, families: list[str]) -> list[str]:
        if len(set(families)) < len(families):
            raise ValueError(f"each family once, got {families}")
        if bad := [name for name in families if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]:
            raise ValueError(f"a family is named like its folder under models/ (lower case, digits, _), got {bad}")
        return families

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                f"validation_share {self.validation_share} and test_share {self.test_share} leave nothing to train on; "
                "their sum must lie below 1"
            )
        if self.metric.split("@")[1] != str(self.k):
            raise ValueError(f"metric {self.metric!r} is not cut at k={self.k}; set both to the same length")
        return self


def load_config(path: Path | str | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's settings.

    Args:
        path: A YAML file with any of the fields; None for the defaults.
        overrides: `field=value` texts, later ones win over earlier ones and over the file.

    Raises:
        SourceError: The file does not exist or cannot be read.
        ConfigError: It is no YAML mapping, or a field is unknown, mistyped or out of range; each fault is named.
    """
    values = _read_mapping(Path(path)) if path is not None else {}
    for override in overrides:
        name, value = _parse_override(override)
        values[name] = value
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error


def dump_config(config: RunConfig) -> str:
    """The YAML text of the settings; `load_config` reads it back to equal ones."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_mapping(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a mapping of settings (`field: value`), got a {type(values).__name__}.")
    return {str(name): value for name, value in values.items()}


def _parse_override(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"An override has the form field=value (for example seed=7), got {text!r}.")
    return name.strip(), None if value.strip().lower() in NONE_WORDS else value.strip()


def _explain(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"unknown setting {where!r}; the settings are {', '.join(RunConfig.model_fields)}")
        elif where:
            faults.append(f"{where}: {fault['msg']}, got {fault['input']!r}")
        else:
            faults.append(fault["msg"])
    return "; ".join(faults).replace("Value error, ", "")
