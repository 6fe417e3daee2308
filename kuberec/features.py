"""The encoded data that training and serving share: vocabularies, feature tables and index arrays.

`featurize` writes the folder, `load_features` reads it:

    dataset.yaml            the dataset's specification
    features.json           FeatureInfo by table and feature name
    users.parquet           one row a user, ordered by index, row 0 the unknown: user_id, known, features
    items.parquet           the same for items
    titles.parquet          item_id, title: what an item is called, where the dataset names a title
    train.parquet           user_index, item_index, value, timestamp (unix microseconds), label
    validation.parquet      the same
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kuberec.artifacts import read_manifest, verify_artifact
from kuberec.dataset import DATASET_FILE, DatasetSpec, load_dataset_spec
from kuberec.errors import ArtifactError
from kuberec.schema import (
    ITEM,
    ITEM_INDEX,
    ITEMS,
    KNOWN,
    LABEL,
    TIME,
    TRAIN,
    USER,
    USER_INDEX,
    USERS,
    VALIDATION,
    VALUE,
    FeatureType,
)

FEATURES_FILE = "features.json"
TITLES_FILE = "titles.parquet"
TITLE = "title"
UNKNOWN_INDEX = 0

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FeatureInfo:
    """What a model must know of one feature.

    Attributes:
        type: The feature's type; TEXT is encoded as MULTI_CATEGORICAL over words.
        size: Number of codes including 0, the unknown or missing one; 1 for numeric features, the width of embeddings.
        vocabulary: The names of codes 1, 2, …; empty for numeric features and embeddings.
        mean: Mean that numeric features were centred by; embeddings are not centred.
        deviation: What the numbers were divided by: the standard deviation of numeric features, the root mean square
            of all entries of embeddings.
    """

    type: FeatureType
    size: int
    vocabulary: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0


@dataclass(frozen=True)
class EntityTable:
    """All users or all items, ordered by index; row 0 is the unknown.

    Attributes:
        ids: Raw ids, `[n + 1]` of str; `ids[0] == ""`.
        known: `[n + 1]` bool; whether the id has a positive in the training part (`ids[0]` never has).
        columns: Encoded features by name: int32 `[n + 1]` for categorical, int32 `[n + 1, width]` padded with 0 for
            multi-categorical and text, float32 `[n + 1]` standardised for numeric, float32 `[n + 1, info.size]` scaled
            for embeddings, zeros where missing.
        infos: What each feature is, by name.
    """

    ids: Array
    known: Array
    columns: Mapping[str, Array]
    infos: Mapping[str, FeatureInfo]

    def __len__(self) -> int:
        """Number of rows, the unknown included."""
        return len(self.ids)

    @cached_property
    def described(self) -> Array:
        """`[n + 1]` bool; whose features say anything: a code, or a number other than the mean; never the unknown's."""
        described = np.zeros(len(self), dtype=bool)
        for column in self.columns.values():
            described |= (column != 0).reshape(len(self), -1).any(axis=1)
        return described

    @cached_property
    def index(self) -> dict[str, int]:
        """Raw id → index, without the unknown."""
        return {str(key): position for position, key in enumerate(self.ids) if position != UNKNOWN_INDEX}

    def indices(self, ids: Any) -> Array:
        """Indices of raw ids, int32, 0 where unknown; the shape of `ids` is kept."""
        array = np.asarray(ids, dtype=object)
        flat = [self.index.get(str(key), UNKNOWN_INDEX) for key in array.ravel()]
        return np.asarray(flat, dtype=np.int32).reshape(array.shape)


@dataclass(frozen=True)
class EncodedInteractions:
    """Interactions as index arrays of one length, ordered by user, then time.

    Attributes:
        user: int32, index into the users; item: int32, index into the items.
        value: float32; timestamp: int64, unix microseconds; label: bool, positive under the dataset's rule.
    """

    user: Array
    item: Array
    value: Array
    timestamp: Array
    label: Array

    def __len__(self) -> int:
        """Number of interactions."""
        return len(self.user)

    def positives(self) -> "EncodedInteractions":
        """Only the positive rows."""
        return self.take(self.label)

    def take(self, rows: Array) -> "EncodedInteractions":
        """The rows of a mask or of positions."""
        return EncodedInteractions(*(column[rows] for column in self.__dict__.values()))

    @staticmethod
    def concatenate(first: "EncodedInteractions", second: "EncodedInteractions") -> "EncodedInteractions":
        """Both parts as one, ordered by user, then time, then item."""
        pairs = zip(first.__dict__.values(), second.__dict__.values(), strict=True)
        joined = EncodedInteractions(*(np.concatenate(pair) for pair in pairs))
        return joined.take(np.lexsort((joined.item, joined.timestamp, joined.user)))


@dataclass(frozen=True)
class Features:
    """Everything that training reads; test rows are never part of it."""

    spec: DatasetSpec
    users: EntityTable
    items: EntityTable
    train: EncodedInteractions
    validation: EncodedInteractions
    content_hash: str

    @cached_property
    def observed(self) -> EncodedInteractions:
        """Train and validation together: what the final model may know."""
        return EncodedInteractions.concatenate(self.train, self.validation)


def load_features(folder: Path | str) -> Features:
    """Read the output of `featurize`.

    Raises:
        ArtifactError: The folder is no finished features artifact, or was changed after it was written.
    """
    features = read_features(folder)
    verify_artifact(folder)
    return features


def read_features(folder: Path | str) -> Features:
    """As `load_features`, of a folder that may have been changed.

    Raises:
        ArtifactError: The folder is no finished features artifact, or a file of it cannot be read.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.kind != "features":
        raise ArtifactError(f"{folder} holds a {manifest.kind!r} artifact; the output of `featurize` was expected.")
    try:
        infos = read_infos(folder)
        return Features(
            spec=load_dataset_spec(folder / DATASET_FILE),
            users=_read_entities(folder / f"{USERS}.parquet", USER, infos[USERS]),
            items=_read_entities(folder / f"{ITEMS}.parquet", ITEM, infos[ITEMS]),
            train=_read_interactions(folder / f"{TRAIN}.parquet"),
            validation=_read_interactions(folder / f"{VALIDATION}.parquet"),
            content_hash=manifest.content_hash,
        )
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise ArtifactError(f"{folder} cannot be read ({error}). Run `featurize` again.") from error


def read_infos(folder: Path) -> dict[str, dict[str, FeatureInfo]]:
    """What each feature is, by table and name, from the `features.json` of a folder."""
    stored = json.loads((folder / FEATURES_FILE).read_text(encoding="utf-8"))
    return {table: {name: _feature_info(info) for name, info in infos.items()} for table, infos in stored.items()}


def _read_entities(path: Path, key: str, infos: Mapping[str, FeatureInfo]) -> EntityTable:
    table = pq.read_table(path)
    return EntityTable(
        ids=np.asarray(table[key].to_pylist(), dtype=object),
        known=table[KNOWN].to_numpy(),
        columns={name: _column(table[name], info) for name, info in infos.items()},
        infos=infos,
    )


def _feature_info(info: Mapping[str, Any]) -> FeatureInfo:
    return FeatureInfo(**{**info, "type": FeatureType(info["type"]), "vocabulary": tuple(info["vocabulary"])})


def _column(column: pa.ChunkedArray, info: FeatureInfo) -> Array:
    if info.type is FeatureType.NUMERIC:
        return np.asarray(column.to_numpy(), dtype=np.float32)
    if info.type is FeatureType.CATEGORICAL:
        return np.asarray(column.to_numpy(), dtype=np.int32)
    lists = column.combine_chunks()
    if info.type is FeatureType.EMBEDDING:
        return _padded(lists, info.size, np.float32)
    return _padded(lists, max(1, int(_lengths(lists).max(initial=0))), np.int32)


def _lengths(lists: pa.ListArray) -> Array:
    return np.diff(lists.offsets.to_numpy())


def _padded(lists: pa.ListArray, width: int, kind: npt.DTypeLike) -> Array:
    lengths = _lengths(lists)
    padded = np.zeros((len(lists), width), dtype=kind)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = lists.flatten().to_numpy()
    return padded


def _read_interactions(path: Path) -> EncodedInteractions:
    table = pq.read_table(path)
    return EncodedInteractions(
        user=table[USER_INDEX].to_numpy().astype(np.int32),
        item=table[ITEM_INDEX].to_numpy().astype(np.int32),
        value=table[VALUE].to_numpy().astype(np.float32),
        timestamp=table[TIME].to_numpy().astype(np.int64),
        label=table[LABEL].to_numpy().astype(bool),
    )
