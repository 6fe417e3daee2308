"""`dataset.yaml`: which files hold a dataset, what their columns mean, and the type of every feature."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kuberec.errors import ConfigError, SourceError
from kuberec.schema import (
    EVENT,
    FILE_ROW,
    ITEM,
    ITEM_INDEX,
    KNOWN,
    REASON,
    ROW,
    TIME,
    USER,
    USER_INDEX,
    VALUE,
    FeatureType,
)

DATASET_FILE = "dataset.yaml"

RESERVED = (USER, ITEM, USER_INDEX, ITEM_INDEX, KNOWN, ROW, REASON, FILE_ROW)
"""Columns that steps add to the users and items tables; no feature may be named like them."""

ORDER_ONLY = "order"
"""The timestamp format of data that knows the order of each user's interactions, and not their times."""

Column = str | int
"""A source column: its name in the header, or its position from 0 where the file has none."""


class FileFormat(StrEnum):
    """The form of a source file."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Strict(BaseModel):
    """Base of the configuration classes: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Feature(Strict):
    """How one feature column is read."""

    type: FeatureType
    """Categorical, multi-categorical, numeric, text or embedding."""
    column: Column | None = None
    """The source column; the feature's own name when absent."""
    separator: Annotated[str, Field(min_length=1)] = "|"
    """What stands between the values of a multi-categorical feature or the numbers of an embedding."""


class Source(Strict):
    """One source table."""

    path: str
    """File, glob or fsspec URI; relative paths are relative to the `dataset.yaml`."""
    format: FileFormat | None = None
    """Guessed from the suffix when absent (`.csv .tsv .jsonl .ndjson .parquet`, also with `.gz`)."""
    delimiter: str | None = None
    """Between the fields of CSV; `,` for CSV and a tabulator for TSV when absent."""
    header: bool = True
    """Whether the first line names the columns; without it, columns are named by position from 0."""
    encoding: str = "utf-8"
    """Text encoding of CSV and TSV."""
    quoting: bool = True
    """Whether a field of CSV and TSV may stand in double quotes."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """Kuberec's column name → the source's; a column not named here is looked up under its own name."""


class Interactions(Source):
    """The table of events; `user_id`, `item_id` and `timestamp` are required, the others have defaults."""

    timestamp_format: str = "auto"
    """`unix_s`, `unix_ms`, `unix_us`, `iso`, a strptime pattern, or `auto`: numbers are unix seconds, else ISO 8601.
    `order`: whole numbers from 0 that rise within each user and say nothing across users."""
    value_range: tuple[float, float] | None = None
    """Least and greatest valid `value`; rows outside go to quarantine."""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, Column]) -> dict[str, Column]:
        return _only(columns, {USER, ITEM, EVENT, VALUE, TIME})

    @field_validator("value_range")
    @classmethod
    def _ordered_range(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"the least value {bounds[0]} must lie below the greatest, {bounds[1]}")
        return bounds


class Entities(Source):
    """A table of users or items: an id and features."""

    features: dict[str, Feature] = Field(default_factory=dict)
    """Feature name → how to read it; a bare type name stands for `{type: …}`."""

    @field_validator("features", mode="before")
    @classmethod
    def _bare_types(cls, features: Any) -> Any:
        if not isinstance(features, dict):
            return features
        return {name: {"type": value} if isinstance(value, str) else value for name, value in features.items()}

    @field_validator("features")
    @classmethod
    def _free_names(cls, features: dict[str, Feature]) -> dict[str, Feature]:
        taken = set(RESERVED)
        for name in features:
            if name.lower() in taken:  # table engines do not tell the case of column names apart
                raise ValueError(f"the feature name {name!r} is taken, in this or another case; name it otherwise")
            taken.add(name.lower())
        return features


class Users(Entities):
    """The table of users."""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, Column]) -> dict[str, Column]:
        return _only(columns, {USER})


class Items(Entities):
    """The table of items."""

    title: str | None = None
    """The feature that names an item to a person."""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, Column]) -> dict[str, Column]:
        return _only(columns, {ITEM})

    @model_validator(mode="after")
    def _title_is_a_feature(self) -> Self:
        if self.title and self.title not in self.features:
            raise ValueError(f"title: {self.title!r} is none of the item features {sorted(self.features)}")
        return self


class Positive(Strict):
    """Which interactions count as liked; every one does when nothing is set."""

    min_value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The least `value` of a positive."""
    event_types: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The event types that are positives."""
    popular_is_liked: bool = True
    """With `min_value`: whether items taken more often are valued higher. Where they are valued lower, the values are
    taken to be inverted and the split fails; say `false` where that is the truth."""


class DatasetSpec(Strict):
    """A dataset: its tables, and what counts as a positive."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """Short name, lower case."""
    interactions: Interactions
    users: Users | None = None
    items: Items | None = None
    positive: Positive = Positive()
    repeat_consumption: bool = False
    """Whether a user may take the same item again (purchases); then seen items are no leak."""
    licence: str | None = None
    """Shown when the data is read."""

    @property
    def times_are_comparable(self) -> bool:
        """Whether the times of different users can be compared; else they are ranks within each user."""
        return self.interactions.timestamp_format != ORDER_ONLY


def load_dataset_spec(path: Path | str) -> DatasetSpec:
    """Read a `dataset.yaml`.

    Raises:
        SourceError: The file does not exist or is no text.
        ConfigError: It is no YAML, or a key is unknown or mistyped; each fault is named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist. Name a dataset.yaml, or a built-in dataset.") from None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no text file ({error}). Name a dataset.yaml in UTF-8.") from None
    return parse_dataset_spec(text, str(path))


def parse_dataset_spec(text: str, origin: str) -> DatasetSpec:
    """Read the text of a `dataset.yaml`; `origin` names it in errors. Raises as `load_dataset_spec`."""
    try:
        return DatasetSpec.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is no valid YAML: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{origin}: {explain(error)}") from error


def dump_dataset_spec(spec: DatasetSpec) -> str:
    """The YAML text of a specification; `parse_dataset_spec` reads it back to an equal one."""
    return yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)


def explain(error: ValidationError) -> str:
    """One line per fault of a pydantic error: where, what was expected, what came."""
    faults = []
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"]) or "(top level)"
        faults.append(f"{where}: {fault['msg']}, got {fault['input']!r}")
    return "; ".join(faults)


def _only(columns: dict[str, Column], allowed: set[str]) -> dict[str, Column]:
    unknown = sorted(set(columns) - allowed)
    if unknown:
        raise ValueError(f"unknown columns {unknown}; the columns are {sorted(allowed)}")
    return columns
