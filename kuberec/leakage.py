"""The leakage check: the rules of a split, recomputed from its tables.

Nothing here trusts what `split` says it did, except for the strategy's name and the number of rows that came in.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
from scipy.stats import spearmanr

from kuberec.artifacts import Manifest, read_manifest
from kuberec.checks import Check
from kuberec.dataset import DATASET_FILE, DatasetSpec, Positive, load_dataset_spec
from kuberec.errors import ArtifactError
from kuberec.labels import positive
from kuberec.schema import EVENT, INTERACTIONS, ITEM, LABEL, SPLITS, TEST, TIME, TRAIN, USER, VALIDATION, VALUE
from kuberec.tables import connect, read_parquet

SPLIT_FILE = "split.json"
SET_ASIDE = "set_aside"
"""Table of the rows that belong to no part, each with its reason."""

MINIMUM_ROWS = 5
"""Rows that an item needs for its mean value to count in the test of direction."""
MINIMUM_ITEMS = 10
"""Items that the test of direction needs to judge at all."""
SIGNIFICANCE = 0.01
WEAKEST = -0.1
"""Correlations above this say too little, however significant a large catalogue makes them."""


@dataclass(frozen=True)
class SplitTables:
    """The tables of a split, and what they are checked against."""

    train: Any
    validation: Any
    test: Any
    set_aside: Any
    spec: DatasetSpec
    manifest: Manifest

    @property
    def held_out(self) -> Any:
        """Validation and test together."""
        return self.validation.union(self.test)

    def parts(self) -> list[tuple[str, Any]]:
        """The three parts by name, earliest first."""
        return [(TRAIN, self.train), (VALIDATION, self.validation), (TEST, self.test)]


def check_split(folder: Path | str, manifest: Manifest | None = None) -> list[Check]:
    """Check that a split leaks nothing, labels by the dataset's rule, and has lost or gained no row.

    Args:
        folder: The output of `split`.
        manifest: Its manifest where that is not written yet; read from the folder when absent.

    Returns:
        One check for each rule. What cannot be judged passes, and its reason says so.

    Raises:
        ArtifactError: The folder is no split, or a table of it cannot be read.
    """
    folder = Path(folder)
    manifest = manifest or read_manifest(folder)
    if manifest.kind != "split":
        raise ArtifactError(f"{folder} holds a {manifest.kind!r} artifact; the output of `split` was expected.")
    with connect() as backend:
        tables = {name: read_parquet(backend, folder / f"{name}.parquet") for name in (*SPLITS, SET_ASIDE)}
        split = SplitTables(**tables, spec=load_dataset_spec(folder / DATASET_FILE), manifest=manifest)
        checks = [_no_shared_rows(split), *_BOUNDARY_CHECKS[manifest.facts["strategy"]](split)]
        if not split.spec.repeat_consumption:
            checks.append(_no_shared_pairs(split))
        checks += [_labels(split), _row_balance(split)]
        if split.spec.positive.min_value is not None and split.spec.positive.popular_is_liked:
            checks += [_direction(TRAIN, split.train), _direction("held-out", split.held_out)]
    return checks


def _shared(split: SplitTables, *key: str) -> Any:
    """Rows of validation and test that equal one of an earlier part in some columns."""
    columns = list(key)
    return split.held_out.semi_join(split.train, columns).union(split.test.semi_join(split.validation, columns))


def _no_shared_rows(split: SplitTables) -> Check:
    """No event of validation or test stands in train as well, nor one of test in validation."""
    faults = _shared(split, USER, ITEM, EVENT, TIME)
    return _none("no shared rows", faults, "rows of a later part stand in an earlier part as well")


def _no_shared_pairs(split: SplitTables) -> Check:
    """No pair of user and item of a later part has been in an earlier one."""
    faults = _shared(split, USER, ITEM)
    return _none("no shared pairs", faults, "rows of a later part repeat a user's item of an earlier part")


def _in_time_order(split: SplitTables) -> list[Check]:
    """Each part ends before the next begins."""
    starts = {name: table[TIME].min().execute() for name, table in split.parts()}
    checks = []
    for (earlier, table), (later, _) in zip(split.parts(), split.parts()[1:], strict=False):
        faults = table.filter(table[TIME] >= ibis.literal(starts[later], "timestamp('UTC')"))
        checks.append(_none(f"{earlier} before {later}", faults, f"rows of {earlier} are not before {later} begins"))
    return checks


def _one_held_out_each(split: SplitTables) -> list[Check]:
    """Each held-out row is a positive, the only one of its user in its part, and later than the user's earlier rows."""
    checks = []
    for (_, earlier), (name, part) in ((split.parts()[0], part) for part in split.parts()[1:]):
        bounds = part.select(USER, bound_time=part[TIME], bound_item=part[ITEM])
        joined = earlier.inner_join(bounds, USER)
        late = (joined[TIME] > joined["bound_time"]) | (
            (joined[TIME] == joined["bound_time"]) & (joined[ITEM] > joined["bound_item"])
        )
        checks.append(
            _none(f"{name} is last", joined.filter(late), f"rows of train are later than their user's {name}")
        )
        users = part.group_by(USER).aggregate(rows=part.count())
        doubled = part.semi_join(users.filter(users["rows"] > 1), USER)
        checks.append(_none(f"one {name} row a user", doubled, f"rows of {name} are not the only one of their user"))
        checks.append(_none(f"{name} is positive", part.filter(~part[LABEL]), f"rows of {name} are no positives"))
    return checks


def _users_apart(split: SplitTables) -> list[Check]:
    """No user stands in two parts."""
    return [_none("users apart", _shared(split, USER), "rows of held-out users who have rows in an earlier part")]


def _items_apart(split: SplitTables) -> list[Check]:
    """No item stands in two parts."""
    return [_none("items apart", _shared(split, ITEM), "rows of held-out items that have rows in an earlier part")]


def _users_in_train(split: SplitTables) -> list[Check]:
    """Every user who is judged has a training history."""
    faults = split.held_out.anti_join(split.train, USER)
    return [_none("users in train", faults, "held-out rows belong to users who have no row in train")]


_BOUNDARY_CHECKS = {
    "temporal": _in_time_order,
    "leave_one_out": _one_held_out_each,
    "user": _users_apart,
    "ratio": _users_in_train,
    "item": _items_apart,
}


def _labels(split: SplitTables) -> Check:
    """The stored label of every row is what the dataset's rule says."""
    rule = split.spec.positive
    faults = split.train.union(split.validation).union(split.test)
    faults = faults.filter(faults[LABEL] != positive(faults, rule))
    return _none("label convention", faults, f"rows have a label that contradicts the rule ({_rule_text(rule)})")


def _rule_text(rule: Positive) -> str:
    terms = [] if rule.min_value is None else [f"value >= {rule.min_value:g}"]
    terms += [] if rule.event_types is None else [f"event_type in {', '.join(rule.event_types)}"]
    return " and ".join(terms) or "every row is a positive"


def _row_balance(split: SplitTables) -> Check:
    """The parts and the rows set aside add up to the rows that came in."""
    counts = {name: int(table.count().execute()) for name, table in split.parts()}
    counts[SET_ASIDE] = int(split.set_aside.count().execute())
    expected = int(split.manifest.rows[INTERACTIONS]["in"])
    found = " + ".join(f"{name} {rows}" for name, rows in counts.items())
    total = sum(counts.values())
    return Check("row balance", total == expected, f"{found} = {total}; {expected} rows came in")


def _direction(name: str, part: Any) -> Check:
    """Items that are taken more often are not valued less: values that fall with popularity look inverted."""
    title = f"direction of values ({name})"
    items = part.group_by(ITEM).aggregate(rows=part.count(), mean=part[VALUE].mean().round(6))
    items = items.filter(items["rows"] >= MINIMUM_ROWS).to_pyarrow()
    if len(items) < MINIMUM_ITEMS or len(items["mean"].unique()) < 2:
        return Check(
            title, True, f"not judged: {len(items)} items with {MINIMUM_ROWS} rows or more and differing means"
        )
    found = spearmanr(items["rows"].to_numpy(), items["mean"].to_numpy(), alternative="less")
    inverted = found.pvalue < SIGNIFICANCE and found.statistic < WEAKEST
    reason = f"Spearman correlation of count and mean value over {len(items)} items is {found.statistic:.3f}"
    if inverted:
        reason += f" (p = {found.pvalue:.1g}): the values look inverted, the best may be coded lowest. "
        reason += "If they are right, set positive.popular_is_liked: false in dataset.yaml"
    return Check(title, not inverted, reason)


def _none(name: str, faults: Any, sentence: str) -> Check:
    """A check that passes when a table of faulty rows is empty; the reason counts them and shows the first."""
    count = int(faults.count().execute())
    if not count:
        return Check(name, True, f"0 {sentence}")
    columns = [USER, ITEM, EVENT, VALUE, TIME, LABEL]
    example = faults.select(*columns).order_by(*columns).limit(1).to_pyarrow().to_pylist()[0]
    example[TIME] = example[TIME].isoformat()
    return Check(name, False, f"{count} {sentence}; the first: {example}")
