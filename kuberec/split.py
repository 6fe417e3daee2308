"""Split: parts the interactions into train, validation and test, so that nothing of a later part leaks into an earlier.

The rules, which `kuberec.leakage` checks in what was written:

1. `temporal`: two cut times for everybody. Rows before the first are train, rows from the second on are test; all rows
   of one time fall on the same side.
2. `leave_one_out`: each user's last positive is test, the one before it validation; later rows of the user are set
   aside. Users with fewer than three positives stay in train.
3. `user`: whole users are held out, chosen by a hash of the seed and their id; they have no training history.
4. Unless the dataset allows repeat consumption, a pair of user and item belongs to its earliest part; its later rows
   in other parts are set aside, for a recommender never offers again what a user has had.
5. `label` is the dataset's rule for positives, applied to each row alone.

No row is lost: rows in = train + validation + test + set aside, the last with its reason.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import ibis

from kuberec.artifacts import Manifest, new_artifact, verify_artifact, write_json
from kuberec.checks import Check, checks_to_json, describe, failed
from kuberec.dataset import DATASET_FILE, DatasetSpec, load_dataset_spec
from kuberec.errors import ArtifactError, ConfigError, DataError
from kuberec.labels import positive
from kuberec.leakage import SET_ASIDE, SPLIT_FILE, check_split
from kuberec.progress import phases
from kuberec.schema import (
    EVENT,
    INTERACTION_SCHEMA,
    INTERACTIONS,
    ITEM,
    ITEMS,
    LABEL,
    REASON,
    SPLITS,
    TIME,
    USER,
    USERS,
    VALUE,
)
from kuberec.tables import connect, materialize, read_parquet, unix_microseconds, write_parquet

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


def split(
    validated: Path | str,
    output: Path | str,
    *,
    strategy: str = Strategy.TEMPORAL,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    seed: int = 0,
) -> Manifest:
    """Part the validated interactions into train, validation and test, label them, and check for leaks.

    Args:
        validated: The output of `validate`.
        output: The folder to write.
        strategy: `temporal`, `leave_one_out` or `user`.
        validation_share: Share of rows (temporal) or of users (user) for validation; unused by leave-one-out.
        test_share: The same for test.
        seed: Chooses the held-out users of `user`.

    Returns:
        The manifest; `rows["interactions"]` counts what came in, each part and what was set aside.

    Raises:
        ConfigError: A setting is unknown or out of range.
        DataError: There is too little data for the split, or a leakage check fails.
        ArtifactError: The input is no finished artifact, or was changed.
    """
    parameters = parse_parameters(strategy, validation_share, test_share, seed)
    validated = Path(validated)
    if (kind := verify_artifact(validated).kind) != "validated":
        raise ArtifactError(f"{validated} holds a {kind!r} artifact; the output of `validate` was expected.")
    spec = load_dataset_spec(validated / DATASET_FILE)
    with new_artifact(output, "split", parents={"validated": validated}, seed=seed) as (folder, manifest):
        _copy(validated, folder)
        with connect() as backend, phases("split") as show:
            show("choosing the parts")
            interactions = _labelled(read_parquet(backend, validated / f"{INTERACTIONS}.parquet"), spec)
            parts = STRATEGIES[parameters.strategy](interactions, spec, parameters)
            counts = _write_parts(parts, folder, backend, show)
            rows = int(interactions.count().execute())
        manifest.facts = {"strategy": parameters.strategy.value}
        manifest.rows[INTERACTIONS] = _balance(rows, counts)
        _require_positives(counts, parameters)
        with phases("split") as show:
            show("checking for leaks")
            checks = check_split(folder, manifest)
        if failed(checks):
            raise DataError(f"The split is not clean. {describe(failed(checks))}")
        rules = [RULES[parameters.strategy], REPEAT_RULES[spec.repeat_consumption]]
        write_json(folder / SPLIT_FILE, _report(parameters, parts, counts, rules, checks))
    return manifest


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


def _copy(validated: Path, folder: Path) -> None:
    """Take over the specification and the tables of users and items as they are."""
    for name in (DATASET_FILE, f"{USERS}.parquet", f"{ITEMS}.parquet"):
        if (validated / name).is_file():
            shutil.copyfile(validated / name, folder / name)


def _labelled(interactions: Any, spec: DatasetSpec) -> Any:
    columns = interactions.select(*INTERACTION_SCHEMA.names)
    return columns.mutate(**{LABEL: positive(columns, spec.positive)})


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


STRATEGIES: dict[Strategy, Callable[[Any, DatasetSpec, Parameters], Parts]] = {
    Strategy.TEMPORAL: _temporal,
    Strategy.LEAVE_ONE_OUT: _leave_one_out,
    Strategy.USER: _by_user,
}


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


def _write_parts(parts: Parts, folder: Path, backend: Any, show: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Write the tables and count rows, positives, users, items and the span of times in each."""
    counts = {}
    for name in (*SPLITS, SET_ASIDE):
        show(f"writing {name}")
        path = folder / f"{name}.parquet"
        write_parquet(getattr(parts, name), path, order_by=ORDER)
        counts[name] = _count(read_parquet(backend, path))
    return counts


def _count(table: Any) -> dict[str, Any]:
    row = table.aggregate(
        rows=table.count(),
        positives=table[LABEL].sum().fill_null(0),
        users=table[USER].nunique(),
        items=table[ITEM].nunique(),
        first=unix_microseconds(table[TIME].min()),
        last=unix_microseconds(table[TIME].max()),
    )
    return dict(row.to_pyarrow().to_pylist()[0])


def _balance(rows: int, counts: dict[str, dict[str, Any]]) -> dict[str, int]:
    parts = {name: int(counts[name]["rows"]) for name in SPLITS}
    return {"in": rows, "out": sum(parts.values()), "quarantined": int(counts[SET_ASIDE]["rows"]), **parts}


def _report(
    parameters: Parameters, parts: Parts, counts: dict[str, dict[str, Any]], rules: list[str], checks: list[Check]
) -> dict[str, Any]:
    """What `split.json` tells; nothing reads it to trust it."""
    return {
        "strategy": parameters.strategy.value,
        "parameters": asdict(parameters),
        "boundaries": parts.boundaries,
        "counts": counts,
        "rules": rules,
        "checks": checks_to_json(checks),
    }


def _require_positives(counts: dict[str, dict[str, Any]], parameters: Parameters) -> None:
    empty = [name for name in SPLITS if not counts[name]["positives"]]
    if not empty:
        return
    found = ", ".join(
        f"{name} {counts[name]['rows']} rows with {counts[name]['positives']} positives" for name in SPLITS
    )
    aside = counts[SET_ASIDE]["rows"]
    repeats = (
        f" {aside} rows were set aside; if users may take items again, set `repeat_consumption: true`." if aside else ""
    )
    raise DataError(
        f"Too little data for a {parameters.strategy.value} split: {' and '.join(empty)} would hold no positive "
        f"({found}). {HINTS[parameters.strategy]}{repeats}"
    )


HINTS = {
    Strategy.TEMPORAL: "A split by time needs positives at three or more times: raise validation_share or test_share, "
    "or bring more data.",
    Strategy.LEAVE_ONE_OUT: f"Leave-one-out needs a user with {MINIMUM_POSITIVES} positives.",
    Strategy.USER: "A split by user needs several users: raise validation_share or test_share, or bring more data.",
}
