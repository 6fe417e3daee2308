"""The strategies of a split, as Ibis expressions: which interaction goes to which part."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import ibis

from kuberec.dataset import DatasetSpec
from kuberec.errors import ConfigError, DataError
from kuberec.schema import EVENT, ITEM, LABEL, REASON, TIME, USER, VALUE
from kuberec.tables import materialize

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


RULES = {
    Strategy.TEMPORAL: "train < validation_start <= validation < test_start <= test, for everybody; ties fall later",
    Strategy.LEAVE_ONE_OUT: "each user's last positive is test, the one before it validation; ties by item_id; users "
    f"with fewer than {MINIMUM_POSITIVES} positives stay in train; the user's other rows after the validation row are "
    "set aside",
    Strategy.USER: "whole users are held out in the order of md5(seed:user_id); they have no row in train",
}
REPEAT_RULES = {
    False: "a pair of user and item belongs to its earliest part; its rows in later parts are set aside",
    True: "a user may have an item again: the same pair may stand in several parts",
}


@dataclass(frozen=True)
class Parameters:
    """How one split goes.

    Attributes:
        strategy: `temporal`, `leave_one_out` or `user`.
        validation_share: Share of rows (temporal) or users (user) for validation, above 0.
        test_share: The same for test; both together stay below 1.
        seed: Chooses the held-out users.
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
}


def parse_parameters(strategy: str, validation_share: float, test_share: float, seed: int) -> Parameters:
    """Check the settings of a split.

    Raises:
        ConfigError: The strategy is unknown, or the shares do not leave something for every part.
    """
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
        DataError: There are too few rows to cut.
    """
    return STRATEGIES[parameters.strategy](interactions, spec, parameters)


def _temporal(interactions: Any, spec: DatasetSpec, parameters: Parameters) -> Parts:
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
    users = interactions.select(USER).distinct()
    ranked = users.mutate(digest=(ibis.literal(f"{parameters.seed}:") + users[USER]).hexdigest("md5"))
    order = ranked.order_by("digest", USER).select(USER)
    count = int(users.count().execute())
    tested, validated = round(count * parameters.test_share), round(count * parameters.validation_share)
    test_users = materialize(order.limit(tested))
    held_out = materialize(order.limit(tested + validated))
    validation_users = held_out.anti_join(test_users, USER)
    return Parts(
        train=interactions.anti_join(held_out, USER),
        validation=interactions.semi_join(validation_users, USER),
        test=interactions.semi_join(test_users, USER),
        set_aside=_set_aside(interactions.filter(False), ""),
        boundaries={"users": count, "validation_users": validated, "test_users": tested},
    )


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
}
