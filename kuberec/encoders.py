"""Encoders: turn one raw feature column into codes or standardised numbers."""

import math
from typing import Any

import ibis
import numpy as np

from kuberec.features import FeatureInfo
from kuberec.schema import FeatureType

NOT_WORD = r"[^\p{L}\p{M}\p{N}_]+"
"""What separates the words of a text: everything but letters, marks, digits and the underscore, in any script."""
MINIMUM_WORD_COUNT = 2
MAXIMUM_WORDS = 5_000


def fit_feature(column: Any, kind: FeatureType) -> FeatureInfo:
    """Learn a feature's vocabulary, its mean and deviation, or its width and scale.

    Args:
        column: Ibis table with the raw `value` of each entity to learn from.
        kind: The feature's type.
    """
    if kind is FeatureType.NUMERIC:
        mean, deviation = _moments(column)
        return FeatureInfo(type=kind, size=1, mean=mean, deviation=deviation)
    if kind is FeatureType.EMBEDDING:
        width, scale = _width_and_scale(column)
        return FeatureInfo(type=kind, size=width, deviation=scale)
    values = _values(column, kind)
    counted = values.group_by("value").aggregate(count=values.count())
    ordered = counted.order_by(counted["count"].desc(), "value")
    if kind is FeatureType.TEXT:
        ordered = ordered.filter(ordered["count"] >= MINIMUM_WORD_COUNT).limit(MAXIMUM_WORDS)
    vocabulary = tuple(ordered.to_pyarrow()["value"].to_pylist())
    return FeatureInfo(type=kind, size=len(vocabulary) + 1, vocabulary=vocabulary)


def encode_feature(column: Any, key: str, info: FeatureInfo) -> Any:
    """Encode a feature.

    Args:
        column: Ibis table with `key` and the raw `value` of each entity.
        key: Name of the id column.
        info: What `fit_feature` learnt.

    Returns:
        Ibis table with `key` and `code`: int32, array of int32 in rising order, float32, or array of float32. Entities
        whose value is missing, outside the vocabulary or of another width have no row.
    """
    if info.type is FeatureType.NUMERIC:
        known = column.filter(_is_number(column["value"]))
        return known.select(key, code=((known["value"] - info.mean) / info.deviation).cast("float32"))
    if info.type is FeatureType.EMBEDDING:
        known = column.filter(column["value"].length() == info.size)
        scaled = known["value"].map(lambda number: (number / info.deviation).cast("float32"))
        return known.select(key, code=scaled)
    codes = np.arange(1, info.size, dtype=np.int32)
    vocabulary = ibis.memtable(
        {"value": list(info.vocabulary), "code": codes}, schema={"value": "string", "code": "int32"}
    )
    coded = _values(column, info.type).inner_join(vocabulary, "value").select(key, "code")
    if info.type is FeatureType.CATEGORICAL:
        return coded
    return coded.group_by(key).aggregate(code=coded["code"].collect(order_by=coded["code"]))


def _values(column: Any, kind: FeatureType) -> Any:
    """One row for each entity and distinct value, without the missing and the empty."""
    if kind is FeatureType.MULTI_CATEGORICAL:
        column = column.mutate(value=column["value"].unnest())
    elif kind is FeatureType.TEXT:
        column = column.mutate(value=column["value"].lower().re_split(NOT_WORD).unnest())
    return column.filter(column["value"].notnull(), column["value"] != "").distinct()


def _is_number(value: Any) -> Any:
    return value.notnull() & ~value.isnan() & ~value.isinf()


def _moments(column: Any) -> tuple[float, float]:
    """Mean and standard deviation; 0 and 1 without numbers, deviation 1 for a constant."""
    numbers = column.filter(_is_number(column["value"])).select("value").to_pyarrow()["value"].to_numpy()
    if not len(numbers):
        return 0.0, 1.0
    # Exact sums: the result may not depend on the order in which threads deliver the rows.
    mean = math.fsum(numbers) / len(numbers)
    deviation = math.sqrt(math.fsum((numbers - mean) ** 2) / len(numbers))
    return mean, deviation or 1.0


def _width_and_scale(column: Any) -> tuple[int, float]:
    """Width of the vectors and root mean square of their entries; 1 and 1 without vectors, scale 1 for zeros alone."""
    known = column.filter(column["value"].notnull())
    squares = known["value"].map(lambda number: number.cast("float64") * number.cast("float64")).sums()
    vectors = known.select(width=known["value"].length(), squares=squares).to_pyarrow()
    if not len(vectors):
        return 1, 1.0
    width = int(vectors["width"][0].as_py())
    scale = math.sqrt(math.fsum(vectors["squares"].to_numpy()) / (len(vectors) * width))
    return width, scale or 1.0
