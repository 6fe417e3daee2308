"""The strategies of a split, as Ibis expressions: which interaction goes to which part."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import ibis

from kuberec.dataset import ORDER_ONLY, DatasetSpec
from kuberec.errors import ConfigError, DataError
from kuberec.schema import EVENT, ITEM, LABEL, REASON, TIME, USER, VALUE
from kuberec.seeds import check_seed
from kuberec.tables import materialize, unix_microseconds

ORDER = (TIME, USER, ITEM, EVENT, VALUE)
"""The order of rows in every part; no two valid rows are equal in all of it."""
PAIR = (USER, ITEM)
MINIMUM_POSITIVES = 3
"""Positives that a user needs for leave-one-out: one for each part."""
REPEATED = "repeated: the user had this item in an earlier part"
AFTER_HELD_OUT = "after held-out: later than the user's first held-out row"


class Strategy(StrEnum):
    """How the interactions are parted."""

    TEMPORAL = "temporal"
    LEAVE_ONE_OUT = "leave_one_out"
    USER = "user"
    RATIO = "ratio"
    ITEM = "item"


RULES = {
    Strategy.TEMPORAL: "train < validation_start <= validation < test_start <= test, for everybody; ties fall later",
    Strategy.LEAVE_ONE_OUT: "each user's last positive is test, the one before it validation; ties by item_id; users "
    f"with fewer than {MINIMUM_POSITIVES} positives stay in train; the user's other rows after the validation row are "
    "set aside",
    Strategy.USER: "whole users are held out in the order of md5(seed:user_id); they have no row in train",
    Strategy.RATIO: "of each user's rows, in the order of md5(seed:user_id:item_id:unix microseconds), the first "
    "round(rows * test_share) are test and the next round(rows * validation_share) validation, halves rounded up; the "
    "last row stays in train",
    Strategy.ITEM: "whole items are held out in the order of md5(seed:item_id); they have no row in train",
}
REPEAT_RULES = {
    False: "a pair of user and item belongs to its earliest part; its rows in later parts are set aside",
    True: "a user may have an item again: the same pair may stand in several parts",
}


@dataclass(frozen=True)
class Parameters:
    """How one split goes.

    Attributes:
        strategy: One of `Strategy`.
        validation_share: Share of rows (temporal), of each user's rows (ratio), of users (user) or of items (item) for
            validation, above 0.
        test_share: The same for test; both together stay below 1.
        seed: Chooses the held-out rows, users or items.
    """

    strategy: Strategy
    validation_share: float
    test_share: float
    seed: int


@dataclass(frozen=True)
class Parts:
    """A split as Ibis tables with INTERACTION_SCHEMA's columns and `label`; `set_aside` also has `reason`."""

    train: Any
    validation: Any
    test: Any
    set_aside: Any
    boundaries: dict[str, Any]


HINTS = {
    Strategy.TEMPORAL: "A split by time needs positives at three or more times: raise validation_share or test_share, "
    "or bring more data.",
    Strategy.LEAVE_ONE_OUT: f"Leave-one-out needs a user with {MINIMUM_POSITIVES} positives.",
    Strategy.USER: "A split by user needs several users: raise validation_share or test_share, or bring more data.",
    Strategy.RATIO: "A split by ratio needs users with several rows, so that the shares come to a row each: raise "
    "validation_share or test_share, or bring more data.",
    Strategy.ITEM: "A split by item needs several items: raise validation_share or test_share, or bring more data.",
}


def parse_parameters(strategy: str, validation_share: float, test_share: float, seed: int) -> Parameters:
    """Check the settings of a split.

    Raises:
        ConfigError: The strategy or the seed is none, or the shares do not leave something for every part.
    """
    check_seed(seed)
    if strategy not in list(Strategy):
        raise ConfigError(f"strategy={strategy!r} is unknown; the strategies are {', '.join(Strategy)}.")
    for name, share in (("validation_share", validation_share), ("test_share", test_share)):
        if not 0 < share < 1:
            raise ConfigError(f"{name}={share} must lie between 0 and 1, both excluded.")
    if validation_share + test_share >= 1:
        raise ConfigError(
            f"validation_share={validation_share} and test_share={test_share} leave nothing for train: "
            "together they must stay below 1."
        )
    return Parameters(Strategy(strategy), validation_share, test_share, seed)


def choose_parts(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    """Say which interaction goes to which part.

    Args:
        interactions: Ibis table with INTERACTION_SCHEMA's columns and `label`.
        spec: The dataset's specification, for `repeat_consumption`.
        parameters: How the split goes.

    Raises:
        ConfigError: The strategy compares the times of users, which are ranks within each.
        DataError: There are too few rows to cut.
    """
    return STRATEGIES[parameters.strategy](interactions, spec, parameters)


def _temporal(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    if not spec.times_are_comparable:
        others = ", ".join(strategy for strategy in Strategy if strategy is not Strategy.TEMPORAL)
        raise ConfigError(
            f"strategy={Strategy.TEMPORAL} cuts at times that hold for everybody, but the times of {spec.name} are "
            f"ranks within each user (timestamp_format: {ORDER_ONLY}). Choose one of {others}, or bring the times."
        )
    rows = int(interactions.count().execute())
    held_out = parameters.validation_share + parameters.test_share
    validation_start = _time_at(interactions, rows - round(rows * held_out), rows)
    test_start = _time_at(interactions, rows - round(rows * parameters.test_share), rows)
    time = interactions[TIME]
    train = interactions.filter(time < validation_start)
    validation = interactions.filter(time >= validation_start, time < test_start)
    test = interactions.filter(time >= test_start)
    boundaries = {"validation_start": validation_start.isoformat(), "test_start": test_start.isoformat()}
    return _without_repeats(train, validation, test, boundaries, spec)


def _time_at(interactions: Any, position: int, rows: int) -> Any:
    """The time of the row at a position in time order, as a datetime in UTC."""
    if not 0 < position < rows:
        raise DataError(f"{rows} interactions are too few for a split by time into three parts. Bring more data.")
    times = interactions.select(TIME).order_by(TIME).limit(1, offset=position).to_pyarrow()
    return times[TIME][0].as_py()


def _by_user(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    return _whole(USER, "users", interactions, parameters)


def _by_item(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    return _whole(ITEM, "items", interactions, parameters)


def _whole(key: str, plural: str, interactions: Any, parameters: Parameters) -> Parts:
    """Hold out whole users or whole items."""
    entities = interactions.select(key).distinct()
    ranked = entities.mutate(digest=_digest(parameters.seed, entities[key]))
    order = ranked.order_by("digest", key).select(key)
    count = int(entities.count().execute())
    tested, validated = round(count * parameters.test_share), round(count * parameters.validation_share)
    in_test = materialize(order.limit(tested))
    held_out = materialize(order.limit(tested + validated))
    in_validation = held_out.anti_join(in_test, key)
    return Parts(
        train=interactions.anti_join(held_out, key),
        validation=interactions.semi_join(in_validation, key),
        test=interactions.semi_join(in_test, key),
        set_aside=_set_aside(interactions.filter(False), ""),
        boundaries={plural: count, f"validation_{plural}": validated, f"test_{plural}": tested},
    )


def _by_ratio(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    identity = (interactions[USER], interactions[ITEM], unix_microseconds(interactions[TIME]).cast("string"))
    shuffled = interactions.mutate(digest=_digest(parameters.seed, *identity))
    drawn = ibis.window(group_by=USER, order_by=["digest", *ORDER])
    counted = shuffled.mutate(
        place=ibis.row_number().over(drawn), rows=shuffled.count().over(ibis.window(group_by=USER))
    )
    most = counted["rows"] - 1
    tested = ibis.least(_share(counted["rows"], parameters.test_share), most)
    held_out = ibis.least(tested + _share(counted["rows"], parameters.validation_share), most)
    placed = counted.mutate(tested=tested, held_out=held_out)
    placed = materialize(placed.select(*interactions.columns, "place", "tested", "held_out"))
    place, columns = placed["place"], interactions.columns
    return _without_repeats(
        train=placed.filter(place >= placed["held_out"]).select(*columns),
        validation=placed.filter(place >= placed["tested"], place < placed["held_out"]).select(*columns),
        test=placed.filter(place < placed["tested"]).select(*columns),
        boundaries={"users": int(placed[USER].nunique().execute())},
        spec=spec,
    )


def _share(rows: Any, share: float) -> Any:
    """The rounded number of rows that a share comes to, halves up."""
    return (rows * share + 0.5).floor().cast("int64")


def _digest(seed: int, *parts: Any) -> Any:
    """The md5 of `seed:part:part`, in hexadecimal: an order that follows the seed, and not that of the rows."""
    text: Any = ibis.literal(str(seed))
    for part in parts:
        text = text + ":" + part
    return text.hexdigest("md5")


def _leave_one_out(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
    eligible = interactions if spec.repeat_consumption else _first_of_pair(interactions)
    eligible = eligible.filter(eligible[LABEL])
    of_user = ibis.window(group_by=USER)
    latest_first = ibis.window(group_by=USER, order_by=[eligible[column].desc() for column in ORDER if column != USER])
    ranked = eligible.mutate(rank=ibis.row_number().over(latest_first), positives=eligible.count().over(of_user))
    held_out = ranked.filter(ranked["positives"] >= MINIMUM_POSITIVES, ranked["rank"] < 2).drop("positives")
    held_out = materialize(held_out)
    test = held_out.filter(held_out["rank"] == 0).drop("rank")
    validation = held_out.filter(held_out["rank"] == 1).drop("rank")
    others = interactions.anti_join(held_out, list(ORDER))
    bounds = validation.drop(LABEL).rename(lambda name: name if name == USER else f"bound_{name}")
    joined = others.left_join(bounds, USER)
    later = _is_later(joined).fill_null(False)
    columns = interactions.columns
    return Parts(
        train=joined.filter(~later).select(*columns),
        validation=validation,
        test=test,
        set_aside=_set_aside(joined.filter(later).select(*columns), AFTER_HELD_OUT),
        boundaries={"users_held_out": int(test.count().execute())},
    )


def _first_of_pair(interactions: Any) -> Any:
    within_pair = ibis.window(group_by=list(PAIR), order_by=[TIME, EVENT, VALUE])
    numbered = interactions.mutate(nth=ibis.row_number().over(within_pair))
    return numbered.filter(numbered["nth"] == 0).drop("nth")


def _is_later(joined: Any) -> Any:
    """Whether a row follows its user's `bound_…` row in the order of time, item, event and value."""
    later: Any = ibis.literal(False)
    for column in (VALUE, EVENT, ITEM, TIME):
        bound = joined[f"bound_{column}"]
        later = (joined[column] > bound) | ((joined[column] == bound) & later)
    return later


def _without_repeats(train: Any, validation: Any, test: Any, boundaries: dict[str, Any], spec: DatasetSpec) -> Parts:
    if spec.repeat_consumption:
        return Parts(train, validation, test, _set_aside(train.filter(False), ""), boundaries)
    pair = list(PAIR)
    # Only the pairs that come again are kept: all pairs of train would be as large as train.
    again = materialize(train.semi_join(validation.union(test), pair).select(*pair).distinct())
    earlier = again.union(validation.select(*pair))
    repeats = validation.semi_join(again, pair).union(test.semi_join(earlier, pair))
    return Parts(
        train=train,
        validation=validation.anti_join(again, pair),
        test=test.anti_join(earlier, pair),
        set_aside=_set_aside(repeats, REPEATED),
        boundaries=boundaries,
    )


def _set_aside(rows: Any, reason: str) -> Any:
    return rows.mutate(**{REASON: ibis.literal(reason)})


STRATEGIES: dict[Strategy, Callable[[Any, DatasetSpec, Parameters], Parts]] = {
    Strategy.TEMPORAL: _temporal,
    Strategy.LEAVE_ONE_OUT: _leave_one_out,
    Strategy.USER: _by_user,
    Strategy.RATIO: _by_ratio,
    Strategy.ITEM: _by_item,
}
