"""What a raw row means: Ibis expressions from text columns to typed ones, with the reason where a row cannot be read.

Every expression looks at one row only, so the same ones run on any engine.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from kuberec.dataset import ORDER_ONLY, Feature, Interactions
from kuberec.schema import EVENT, ITEM, REASON, ROW, TIME, USER, VALUE, FeatureType

DEFAULT_EVENT = "interaction"
DEFAULT_VALUE = 1.0
UNPARSED = "unparsed "
"""Before a feature's name: the column that is 1 where the number or embedding has a text but is unreadable, else 0."""

NUMBERS = (FeatureType.NUMERIC, FeatureType.EMBEDDING)
"""The types of features whose text may be unreadable."""

LAST_MICROSECOND = 253_402_300_799_999_999
"""The end of the year 9999: no timestamp beyond it can be stored."""
UNIX_SCALES = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}
"""Microseconds in one unit of each numeric timestamp format."""
AUTO, ISO = "auto", "iso"

MOST_RANK = 4_000_000_000_000_000
"""The greatest rank of an interaction; stored as microseconds since 1970, it lies before 2100 as every time must."""

BLANK = r"^[\s\p{Z}]*$"
BRACKETED = r"^\s*\[([^\[\]]*)\]\s*$"
"""A text in one pair of brackets, and what is in them."""


@ibis.udf.scalar.builtin(signature=((dt.string, dt.string), dt.Timestamp(timezone="UTC")))
def try_strptime(text, pattern):  # type: ignore[no-untyped-def]
    """The time that a text says in a strptime pattern, null where it does not fit."""


def parse_interactions(spec: Interactions) -> Any:
    """Expression over a table `rows` of `row` and the interaction columns as text.

    Returns:
        Ibis table of row, the columns of INTERACTION_SCHEMA (the timestamp as int64 microseconds since 1970), and the
        reason, null for a row that can be read.
    """
    rows = ibis.table({ROW: "int64", **dict.fromkeys((USER, ITEM, EVENT, VALUE, TIME), "string")}, name="rows")
    number = rows[VALUE].try_cast("float64")
    time = parse_time(rows[TIME], spec.timestamp_format)
    reason = ibis.cases(
        (_is_blank(rows[USER]), f"{USER} is empty"),
        (_is_blank(rows[ITEM]), f"{ITEM} is empty"),
        (_is_blank(rows[EVENT]), f"{EVENT} is empty"),
        (number.isnull() & _is_blank(rows[VALUE]), f"{VALUE} is empty"),
        (number.isnull() & rows[VALUE].notnull(), f"{VALUE} is no number"),
        (number.isnan() | number.isinf(), f"{VALUE} is not finite"),
        (time.isnull() & _is_blank(rows[TIME]), f"{TIME} is empty"),
        (time.isnull(), f"{TIME} cannot be read as {spec.timestamp_format}"),
    )
    return rows.select(
        rows[ROW],
        rows[USER],
        rows[ITEM],
        rows[EVENT].fill_null(DEFAULT_EVENT).name(EVENT),
        rows[VALUE].isnull().ifelse(DEFAULT_VALUE, number).name(VALUE),
        time.name(TIME),
        reason.name(REASON),
    )


def parse_entities(key: str, features: Mapping[str, Feature]) -> Any:
    """Expression over a table `rows` of `row`, the id and the features as text.

    A feature without a text is null, or an empty list; so is a number or an embedding that cannot be read, which is
    counted. Only a row without an id cannot be read.

    Returns:
        Ibis table of row, the id, the features, their `unparsed` counts, and the reason, null for a readable row.
    """
    rows = ibis.table({ROW: "int64", key: "string", **dict.fromkeys(features, "string")}, name="rows")
    parsed = {name: _parse_feature(rows[name], feature) for name, feature in features.items()}
    numbers = [name for name, feature in features.items() if feature.type in NUMBERS]
    return rows.select(
        rows[ROW],
        rows[key],
        *(value.name(name) for name, value in parsed.items()),
        *((parsed[name].isnull() & ~_is_blank(rows[name])).cast("int64").name(f"{UNPARSED}{name}") for name in numbers),
        ibis.cases((_is_blank(rows[key]), f"{key} is empty")).name(REASON),
    )


def parse_time(text: Any, form: str) -> Any:
    """A text column as int64 microseconds since 1970, null where it is no time of the given form.

    A rank of the form `order` becomes as many microseconds.
    """
    if form in UNIX_SCALES:
        return _unix_time(text, UNIX_SCALES[form])
    if form == ORDER_ONLY:
        return _rank(text)
    if form == AUTO:
        unix = _unix_time(text, UNIX_SCALES["unix_s"])
        # Not coalesce: DuckDB evaluates all its arguments on all rows here, five times slower.
        return unix.notnull().ifelse(unix, _iso_time(text))
    if form == ISO:
        return _iso_time(text)
    return _microseconds(try_strptime(text, form))


def _unix_time(text: Any, scale: int) -> Any:
    # Doubles hold microseconds exactly until the year 2255.
    microseconds = text.try_cast("float64") * scale
    return (microseconds.abs() <= LAST_MICROSECOND).ifelse(microseconds, None).round()


def _rank(text: Any) -> Any:
    rank = text.try_cast("float64")  # which holds every rank exactly
    return (rank.between(0, MOST_RANK) & (rank == rank.floor())).ifelse(rank, None).round()


def _iso_time(text: Any) -> Any:
    # Words such as `infinity` and `epoch` are timestamps to the engine.
    return _microseconds(text.re_search(r"^\d").ifelse(text, None).try_cast(dt.Timestamp(timezone="UTC")))


def _microseconds(time: Any) -> Any:
    plain = time.cast("timestamp")
    return plain.truncate("s").epoch_seconds().cast("int64") * 1_000_000 + plain.microsecond().cast("int64")


def _parse_feature(text: Any, feature: Feature) -> Any:
    if feature.type is FeatureType.NUMERIC:
        return _number(text)
    if feature.type is FeatureType.EMBEDDING:
        return _vector(text, feature.separator)
    if feature.type is FeatureType.MULTI_CATEGORICAL:
        parts = text.fill_null("").split(feature.separator)
        return parts.map(lambda part: part.strip()).filter(lambda part: part != "")
    return _is_blank(text).ifelse(None, text)


def _number(text: Any) -> Any:
    """A finite number, else null."""
    number = text.try_cast("float64")
    return (number.isnan() | number.isinf()).ifelse(None, number)


def _vector(text: Any, separator: str) -> Any:
    """Finite numbers, else null.

    Around them may stand a pair of brackets; between them the separator, else commas, else blanks. Only one of these
    counts: a decimal comma must not read as two numbers, nor two separators without a number between them as one.
    """
    inner = text.re_replace(BRACKETED, r"\1").strip()
    at_separator, at_commas = inner.split(separator), inner.split(",")
    if separator.isspace():
        parts = inner.contains(",").ifelse(at_commas, at_separator)
    else:
        plain = inner.contains(",").ifelse(at_commas, inner.re_split(r"\s+"))
        parts = inner.contains(separator).ifelse(at_separator, plain)
    numbers = parts.try_cast("array<float32>")
    unusable = numbers.filter(lambda number: number.isnull() | number.isnan() | number.isinf())
    return (unusable.length() > 0).ifelse(None, numbers)


def _is_blank(text: Any) -> Any:
    return text.re_search(BLANK)
