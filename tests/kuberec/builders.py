"""Small real data for tests: features by hand, validated folders by hand, everything after that by the steps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kuberec.artifacts import new_artifact, write_text
from kuberec.dataset import DATASET_FILE, DatasetSpec, Interactions, Positive, dump_dataset_spec
from kuberec.features import EncodedInteractions, EntityTable, Features
from kuberec.schema import INTERACTION_SCHEMA, INTERACTIONS

Row = tuple[str, str, float, int]
"""User, item, value, unix seconds."""

DAY = 86_400
MIN_VALUE = 4.0


def dataset_spec(repeat_consumption: bool = False) -> DatasetSpec:
    """A dataset whose positives have a value of at least 4."""
    return DatasetSpec(
        name="small",
        interactions=Interactions(path="small.csv"),
        positive=Positive(min_value=MIN_VALUE),
        repeat_consumption=repeat_consumption,
    )


def entity_table(ids: Sequence[str], known: Sequence[str] = ()) -> EntityTable:
    """Users or items without features, in the given order after the unknown."""
    every = np.array(["", *ids], dtype=object)
    return EntityTable(ids=every, known=np.isin(every, np.array(known, dtype=object)), columns={}, infos={})


def encoded(rows: Sequence[Row], users: EntityTable, items: EntityTable) -> EncodedInteractions:
    """Rows as index arrays, ordered by user, then time, then item."""
    user = users.indices([row[0] for row in rows])
    item = items.indices([row[1] for row in rows])
    value = np.array([row[2] for row in rows], dtype=np.float32)
    time = np.array([row[3] for row in rows], dtype=np.int64) * 1_000_000
    order = np.lexsort((item, time, user))
    return EncodedInteractions(user, item, value, time, value >= MIN_VALUE).take(order)


def make_features(
    train: Sequence[Row],
    validation: Sequence[Row] = (),
    *,
    users: Sequence[str] | None = None,
    items: Sequence[str] | None = None,
    repeat_consumption: bool = False,
) -> Features:
    """Features in memory; users and items are those of the rows, sorted, unless given."""
    rows = [*train, *validation]
    user_table = entity_table(users or sorted({row[0] for row in rows}))
    item_table = entity_table(items or sorted({row[1] for row in rows}))
    return Features(
        spec=dataset_spec(repeat_consumption),
        users=user_table,
        items=item_table,
        train=encoded(train, user_table, item_table),
        validation=encoded(validation, user_table, item_table),
        content_hash="by hand",
    )


def taste_rows(users: int = 80, items: int = 40, groups: int = 4, each: int = 15, seed: int = 0) -> list[Row]:
    """Users of a group take items of their group, liked, and now and then another one, disliked; times are uniform."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in range(users):
        own = [item for item in range(items) if item % groups == user % groups]
        other = [item for item in range(items) if item % groups != user % groups]
        liked = rng.choice(own, size=min(each, len(own)) * 4 // 5, replace=False)
        disliked = rng.choice(other, size=each // 5, replace=False)
        for item, value in [*((item, 5.0) for item in liked), *((item, 2.0) for item in disliked)]:
            rows.append((f"u{user:03}", f"i{item:03}", value, int(rng.integers(0, 100 * DAY))))
    return rows


def write_validated(folder: Path, rows: Sequence[Row], *, repeat_consumption: bool = False) -> Path:
    """A folder as `validate` writes it, without users and items tables."""
    ordered = sorted(rows, key=lambda row: (row[3], row[0], row[1]))
    columns = [
        [row[0] for row in ordered],
        [row[1] for row in ordered],
        ["rating"] * len(ordered),
        [row[2] for row in ordered],
        [row[3] * 1_000_000 for row in ordered],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, INTERACTION_SCHEMA, strict=True)]
    with new_artifact(folder, "validated") as (target, manifest):
        pq.write_table(pa.table(arrays, schema=INTERACTION_SCHEMA), target / f"{INTERACTIONS}.parquet")
        write_text(target / DATASET_FILE, dump_dataset_spec(dataset_spec(repeat_consumption)))
        manifest.rows = {INTERACTIONS: {"in": len(rows), "out": len(rows), "quarantined": 0}}
    return folder
