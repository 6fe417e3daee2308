"""The names and types of every column that Kuberec writes; no other module spells a column name."""

from enum import StrEnum

import pyarrow as pa

USER = "user_id"
ITEM = "item_id"
EVENT = "event_type"
VALUE = "value"
TIME = "timestamp"

LABEL = "label"
"""Whether a row counts as a positive under the dataset's rule; added by `split`."""

USER_INDEX = "user_index"
ITEM_INDEX = "item_index"
"""Positions in the vocabularies; 0 is the unknown, known ids start at 1."""

KNOWN = "known"
"""Whether the user or item has a positive in the training part."""

ROW = "row"
REASON = "reason"
RAW = "raw"
"""Columns of a quarantine table: the row's number in its source (from 1), why it was refused, what it said."""

FILE_ROW = "file_row_number"
"""What the table engine calls a row's place in its Parquet file, from 0."""

INTERACTIONS = "interactions"
USERS = "users"
ITEMS = "items"
TABLES = (INTERACTIONS, USERS, ITEMS)

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)

INTERACTION_SCHEMA = pa.schema(
    [
        pa.field(USER, pa.string(), nullable=False),
        pa.field(ITEM, pa.string(), nullable=False),
        pa.field(EVENT, pa.string(), nullable=False),
        pa.field(VALUE, pa.float64(), nullable=False),
        pa.field(TIME, pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field(ROW, pa.int64(), nullable=False),
        pa.field(REASON, pa.string(), nullable=False),
        pa.field(RAW, pa.string(), nullable=False),
    ]
)


class FeatureType(StrEnum):
    """How a feature column is read and encoded."""

    CATEGORICAL = "categorical"
    """One of a set of names."""
    MULTI_CATEGORICAL = "multi_categorical"
    """Any number of names, split by the feature's separator."""
    NUMERIC = "numeric"
    """A number; missing values become the training mean."""
    TEXT = "text"
    """Free text; becomes the set of its lower-case words."""
    EMBEDDING = "embedding"
    """A vector that was computed before, such as an image encoder's; all of one width, zeros where missing."""
