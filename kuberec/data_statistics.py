"""Statistics of a validated dataset: counts, spread, time, values and missing features, as plain JSON values.

Each is an aggregate of the table engine; what comes back is small, whatever the size of the data.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt

from kuberec.dataset import DatasetSpec, Feature
from kuberec.labels import positive
from kuberec.schema import EVENT, INTERACTIONS, ITEM, ITEMS, LABEL, TIME, USER, USERS, VALUE, FeatureType
from kuberec.tables import read_parquet

Array = npt.NDArray[Any]

QUANTILES = {"min": 0.0, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}
MOST_DISTINCT = 20
"""Up to so many different values each has its own bar."""
TIMELINE_UNITS = (("h", "hour", 4), ("D", "day", 200), ("W", "week", 1400), ("M", "month", 7300), ("Y", "year", 0))
"""Engine's unit, its name, and the greatest span in days that it is used for; 0 is without end."""
HEAD_SHARE = 0.2
CURVE_POINTS = 200


def compute_statistics(backend: Any, folder: Path, spec: DatasetSpec, unordered: int) -> dict[str, Any]:
    """Describe the validated tables of a folder.

    Args:
        backend: The table engine.
        folder: Where the tables lie.
        spec: The dataset's specification.
        unordered: Rows that were out of the order of time in the source; 0 where there are no times.

    Returns:
        JSON values under `interactions`, `per_user`, `per_item`, `values`, `event_types`, `timeline`, `long_tail`,
        `references` and `features`. Where times are ranks within each user, first and last time and the time line are
        null.
    """
    interactions = read_parquet(backend, folder / f"{INTERACTIONS}.parquet")
    tables = {
        name: read_parquet(backend, folder / f"{name}.parquet")
        for name, entities in ((USERS, spec.users), (ITEMS, spec.items))
        if entities
    }
    per_user, per_item = _counts_of_counts(interactions, USER), _counts_of_counts(interactions, ITEM)
    overview = _overview(interactions, spec) | {"users": int(per_user[1].sum()), "items": int(per_item[1].sum())}
    overview["density"] = overview["rows"] / (overview["users"] * overview["items"])
    timed = spec.times_are_comparable
    overview["out_of_time_order"] = unordered
    return {
        "interactions": overview,
        "per_user": _spread(*per_user),
        "per_item": _spread(*per_item) | {"head_share": _head_share(*per_item)},
        "values": _values(interactions, overview["least_value"], overview["greatest_value"]),
        "event_types": _event_types(interactions),
        "timeline": _timeline(interactions, overview["first_time"], overview["last_time"]) if timed else None,
        "long_tail": _long_tail(*per_item),
        "references": _references(interactions, tables),
        "features": {name: _features(tables[name], _entity_features(spec, name)) for name in tables},
    }


def _overview(interactions: Any, spec: DatasetSpec) -> dict[str, Any]:
    labelled = interactions.mutate(positive(interactions, spec.positive).name(LABEL))
    row = _rows(
        labelled.aggregate(
            rows=labelled.count(),
            positives=labelled[LABEL].sum(),
            first=interactions[TIME].min().cast("timestamp").strftime("%Y-%m-%dT%H:%M:%SZ"),
            last=interactions[TIME].max().cast("timestamp").strftime("%Y-%m-%dT%H:%M:%SZ"),
            least=interactions[VALUE].min(),
            greatest=interactions[VALUE].max(),
            mean=interactions[VALUE].mean(),
        )
    )[0]
    return {
        "rows": row["rows"],
        "positives": row["positives"],
        "positive_share": row["positives"] / row["rows"],
        "first_time": row["first"] if spec.times_are_comparable else None,
        "last_time": row["last"] if spec.times_are_comparable else None,
        "least_value": row["least"],
        "greatest_value": row["greatest"],
        # The engine adds doubles in the order of its threads: the last digits would differ between runs.
        "mean_value": float(f"{row['mean']:.9g}"),
    }


def _counts_of_counts(interactions: Any, key: str) -> tuple[Array, Array]:
    """How many entities have each number of interactions: the numbers ascending, and the entities of each."""
    entities = interactions.group_by(key).aggregate(degree=interactions.count())
    rows = _rows(entities.group_by("degree").aggregate(entities=entities.count()).order_by("degree"))
    return np.array([row["degree"] for row in rows]), np.array([row["entities"] for row in rows])


def _spread(degrees: Array, entities: Array) -> dict[str, float]:
    """Quantiles (the least degree that the share does not exceed) and mean of the interactions of an entity."""
    reached = np.cumsum(entities) / entities.sum()
    quantiles = {name: int(degrees[np.searchsorted(reached, share)]) for name, share in QUANTILES.items()}
    return {
        **quantiles,
        "mean": float((degrees * entities).sum() / entities.sum()),
        "single": int(entities[degrees == 1].sum()),
    }


def _head_share(degrees: Array, entities: Array) -> float:
    """Share of the interactions that fall on the most popular fifth of the items."""
    curve = _popularity(degrees, entities)
    head = max(1, round(HEAD_SHARE * len(curve)))
    return float(curve[:head].sum() / curve.sum())


def _popularity(degrees: Array, entities: Array) -> Array:
    """The interactions of each entity, most popular first."""
    return np.repeat(degrees[::-1], entities[::-1])


def _long_tail(degrees: Array, entities: Array) -> dict[str, list[int]]:
    """The popularity curve at up to 200 ranks, spaced evenly in their logarithm."""
    curve = _popularity(degrees, entities)
    ranks = np.unique(np.geomspace(1, len(curve), CURVE_POINTS).round().astype(int))
    return {"rank": ranks.tolist(), "interactions": curve[ranks - 1].tolist()}


def _values(interactions: Any, least: float, greatest: float) -> dict[str, Any]:
    """Counts of each value, or of twenty equal ranges."""
    value = interactions[VALUE]
    distinct = _rows(interactions.select(value).distinct().limit(MOST_DISTINCT + 1))
    if len(distinct) <= MOST_DISTINCT:
        rows = _rows(interactions.group_by(VALUE).aggregate(rows=interactions.count()).order_by(VALUE))
        return {"label": [f"{row[VALUE]:g}" for row in rows], "rows": [row["rows"] for row in rows]}
    edges = np.linspace(least, greatest, MOST_DISTINCT + 1)
    place = ((value - least) / ((greatest - least) / MOST_DISTINCT)).floor().cast("int64").clip(0, MOST_DISTINCT - 1)
    rows = _rows(interactions.group_by(place=place).aggregate(rows=interactions.count()))
    counts = {row["place"]: row["rows"] for row in rows}
    labels = [f"{low:.4g} – {high:.4g}" for low, high in pairwise(edges)]
    return {"label": labels, "rows": [counts.get(place, 0) for place in range(MOST_DISTINCT)]}


def _event_types(interactions: Any) -> dict[str, int]:
    counts = interactions.group_by(EVENT).aggregate(rows=interactions.count())
    rows = _rows(counts.order_by([ibis.desc("rows"), EVENT]).limit(MOST_DISTINCT))
    return {row[EVENT]: row["rows"] for row in rows}


def _timeline(interactions: Any, first: str, last: str) -> dict[str, Any]:
    days = int((np.datetime64(last[:-1]) - np.datetime64(first[:-1])).astype("timedelta64[D]").astype(int))
    unit, name, _ = next(entry for entry in TIMELINE_UNITS if days <= entry[2] or not entry[2])
    start = interactions[TIME].cast("timestamp").truncate(unit)
    counts = interactions.group_by(start=start).aggregate(rows=interactions.count())
    rows = _rows(counts.mutate(start=counts["start"].strftime("%Y-%m-%dT%H:%M")).order_by("start"))
    return {"unit": name, "start": [row["start"] for row in rows], "rows": [row["rows"] for row in rows]}


def _references(interactions: Any, tables: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Interactions of entities that their table does not list, and entities without interactions."""
    found = {}
    for name, table in tables.items():
        key = USER if name == USERS else ITEM
        counts = interactions.group_by(key).aggregate(rows=interactions.count())
        unlisted = counts.anti_join(table, key)
        row = _rows(unlisted.aggregate(entities=unlisted.count(), rows=unlisted["rows"].sum().fill_null(0)))[0]
        idle = int(table.anti_join(counts, key).count().to_pyarrow().as_py())
        found[name] = {
            "listed": int(table.count().to_pyarrow().as_py()),
            "unlisted": row["entities"],
            "interactions_of_unlisted": row["rows"],
            "without_interactions": idle,
        }
    return found


def _entity_features(spec: DatasetSpec, table: str) -> Mapping[str, Feature]:
    entities = spec.users if table == USERS else spec.items
    return entities.features if entities else {}


def _features(table: Any, features: Mapping[str, Feature]) -> dict[str, Any]:
    """Type, share of missing values and number of different values of each feature, and the width of embeddings."""
    found = {}
    rows = int(table.count().to_pyarrow().as_py())
    for name, feature in features.items():
        column = table[name]
        many = feature.type is FeatureType.MULTI_CATEGORICAL
        missing = (column.isnull() | (column.length() == 0)) if many else column.isnull()
        values = table.select(column.unnest().name(name)) if many else table
        row = _rows(table.aggregate(missing=missing.cast("int64").sum()))[0]
        distinct = int(values[name].nunique().to_pyarrow().as_py())
        found[name] = {"type": str(feature.type), "missing_share": row["missing"] / rows, "distinct": distinct}
        if feature.type is FeatureType.EMBEDDING:
            found[name]["width"] = column.length().max().to_pyarrow().as_py() or 0
    return found


def _rows(expression: Any) -> list[dict[str, Any]]:
    return list(expression.to_pyarrow().to_pylist())
