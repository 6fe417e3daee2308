"""The leakage check: each planted fault is found, by its own rule, with counts and an example."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from kuberec.checks import Check, checks_from_json, checks_to_json, describe, failed
from kuberec.dataset import DATASET_FILE, dump_dataset_spec, load_dataset_spec
from kuberec.errors import ArtifactError
from kuberec.leakage import check_split
from kuberec.schema import EVENT, ITEM, LABEL, SPLITS, TIME, USER, VALUE
from kuberec.split import split
from kuberec.strategies import Strategy
from tests.kuberec.test_split import LIKED, REPEATS, Event, validated

USERS, ITEMS = 60, 40


def rating_events(seed: int = 0) -> list[Event]:
    """Users rate items once each; popular items are liked better, as in life."""
    rng = np.random.default_rng(seed)
    popularity = np.linspace(1, 5, ITEMS)
    events: list[Event] = []
    for user in range(USERS):
        for item in rng.choice(ITEMS, size=20, replace=False, p=popularity / popularity.sum()):
            value = float(np.clip(round(popularity[item] + rng.normal(0, 1)), 1, 5))
            events.append((f"u{user}", f"i{item}", "rate", value, int(rng.integers(10**6))))
    return events


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A clean split of each strategy, and one where repeats are allowed; tests copy what they spoil."""
    root = tmp_path_factory.mktemp("splits")
    source = validated(root / "v", rating_events(), LIKED)
    repeating = validated(root / "r", rating_events(), f"{LIKED}\n{REPEATS}")
    for strategy in Strategy:
        split(source, root / strategy, strategy=strategy)
    split(repeating, root / "repeating")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def spoil(splits: dict[str, Path], tmp_path: Path) -> Callable[..., list[Check]]:
    """Check a copy of a split in which some parts are replaced by what a function makes of all three."""

    def run(name: str, change: Callable[[dict[str, pa.Table]], dict[str, pa.Table]]) -> list[Check]:
        for path in splits[name].iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        tables = {part: pq.read_table(tmp_path / f"{part}.parquet") for part in SPLITS}
        for part, table in change(tables).items():
            pq.write_table(table, tmp_path / f"{part}.parquet")
        return check_split(tmp_path)

    return run


def names(checks: list[Check]) -> set[str]:
    return {check.name for check in failed(checks)}


def set_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def earlier(table: pa.Table) -> pa.Table:
    """The rows, moved to the beginning of time."""
    return set_column(table, TIME, pa.array([0] * len(table), pa.timestamp("us", "UTC")))


def inverted(table: pa.Table) -> pa.Table:
    """Values turned round, and labels with them."""
    values = pc.subtract(6.0, table[VALUE])
    return set_column(set_column(table, VALUE, values), LABEL, pc.greater_equal(values, 4.0))


def over(table: pa.Table, rows: pa.Table) -> pa.Table:
    """The table with its first rows replaced, so that the number of rows stays."""
    return pa.concat_tables([rows, table.slice(len(rows))])


@pytest.mark.parametrize("name", [*Strategy, "repeating"])
def test_a_clean_split_passes(splits: dict[str, Path], name: str) -> None:
    checks = check_split(splits[name])
    assert not failed(checks)
    titles = [check.name for check in checks]
    assert len(set(titles)) == len(titles) >= 6
    assert ("no shared pairs" in titles) == (name != "repeating")


@pytest.mark.parametrize("name", [*Strategy, "repeating"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_rows_copied_into_train(spoil: Callable[..., list[Check]], name: str, part: str) -> None:
    checks = spoil(name, lambda parts: {"train": pa.concat_tables([parts["train"], parts[part].slice(0, 3)])})
    assert {"no shared rows", "row balance"} <= names(checks)
    reason = next(check.reason for check in checks if check.name == "no shared rows")
    assert reason.startswith("3 rows of a later part stand in an earlier part as well; the first: {'user_id': 'u")


@pytest.mark.parametrize("name", list(Strategy))
def test_copied_rows_with_another_time(spoil: Callable[..., list[Check]], name: str) -> None:
    copied = spoil(name, lambda parts: {"train": pa.concat_tables([parts["train"], earlier(parts["test"])])})
    assert {"no shared pairs", "row balance"} <= names(copied)
    swapped = spoil(name, lambda parts: {"train": over(parts["train"], earlier(parts["test"].slice(0, 5)))})
    assert "no shared pairs" in names(swapped)
    assert "row balance" not in names(swapped)


def test_copied_rows_with_another_time_where_repeats_are_allowed(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("repeating", lambda parts: {"train": pa.concat_tables([parts["train"], earlier(parts["test"])])})
    assert names(checks) == {"row balance"}


def test_test_rows_in_validation(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("temporal", lambda parts: {"validation": over(parts["validation"], parts["test"].slice(0, 2))})
    assert names(checks) == {"no shared rows", "no shared pairs", "validation before test"}


def test_train_that_ends_after_validation_begins(spoil: Callable[..., list[Check]]) -> None:
    def late(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        start = pc.min(parts["validation"][TIME])
        times = pa.chunked_array(
            [pa.array([start.as_py()], start.type), parts["train"][TIME].slice(1).combine_chunks()]
        )
        return {"train": set_column(parts["train"], TIME, times)}

    checks = spoil("temporal", late)
    assert names(checks) == {"train before validation"}
    assert describe(failed(checks)).startswith("train before validation: 1 rows of train are not before validation")


@pytest.mark.parametrize("part", SPLITS)
def test_flipped_labels(spoil: Callable[..., list[Check]], part: str) -> None:
    checks = spoil("temporal", lambda parts: {part: set_column(parts[part], LABEL, pc.invert(parts[part][LABEL]))})
    assert names(checks) == {"label convention"}
    assert "contradicts the rule (value >= 4)" in describe(failed(checks))


def test_one_wrong_label(spoil: Callable[..., list[Check]]) -> None:
    def flip_first(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        labels = parts["test"][LABEL].to_pylist()
        return {"test": set_column(parts["test"], LABEL, pa.array([not labels[0], *labels[1:]]))}

    assert names(spoil("temporal", flip_first)) == {"label convention"}


def test_values_turned_round_everywhere(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("temporal", lambda parts: {part: inverted(table) for part, table in parts.items()})
    assert names(checks) - {"direction of values (held-out)"} == {"direction of values (train)"}
    assert "the values look inverted" in describe(failed(checks))


def test_values_may_be_declared_to_fall_with_popularity(spoil: Callable[..., list[Check]], tmp_path: Path) -> None:
    def declare(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        spec = load_dataset_spec(tmp_path / DATASET_FILE)
        told = spec.model_copy(update={"positive": spec.positive.model_copy(update={"popular_is_liked": False})})
        (tmp_path / DATASET_FILE).write_text(dump_dataset_spec(told))
        return {part: inverted(table) for part, table in parts.items()}

    assert names(spoil("temporal", declare)) == set()


def test_values_turned_round_in_train_only(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("temporal", lambda parts: {"train": inverted(parts["train"])})
    assert names(checks) == {"direction of values (train)"}


def test_values_turned_round_without_their_labels(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("user", lambda parts: {"train": inverted(parts["train"]).drop_columns([LABEL]).append_column(
        LABEL, parts["train"][LABEL]
    )})  # fmt: skip
    assert names(checks) == {"label convention", "direction of values (train)"}


def test_lost_rows(spoil: Callable[..., list[Check]]) -> None:
    checks = spoil("temporal", lambda parts: {"train": parts["train"].slice(7)})
    assert names(checks) == {"row balance"}
    assert "= 1193; 1200 rows came in" in describe(failed(checks))


def test_a_user_in_two_parts(spoil: Callable[..., list[Check]]) -> None:
    def move(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        last = len(parts["test"]) - 1
        return {
            "train": pa.concat_tables([parts["train"], parts["test"].slice(last)]),
            "test": parts["test"].slice(0, last),
        }

    assert names(spoil("user", move)) == {"users apart"}


def test_an_item_in_two_parts(spoil: Callable[..., list[Check]]) -> None:
    def move(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        return {
            "train": pa.concat_tables([parts["train"], parts["test"].slice(0, 1)]),
            "test": parts["test"].slice(1),
        }

    assert names(spoil("item", move)) == {"items apart"}


def test_a_held_out_item_that_another_user_has_in_train(spoil: Callable[..., list[Check]]) -> None:
    def rename(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        row = parts["validation"].slice(0, 1)
        return {"train": over(parts["train"], set_column(row, USER, pa.array(["somebody else"])))}

    assert names(spoil("item", rename)) == {"items apart"}


def test_users_who_are_judged_without_a_row_in_train(spoil: Callable[..., list[Check]]) -> None:
    def forget(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        stranger = pa.array(["stranger"] * len(parts["test"]))
        return {"test": over(parts["test"], set_column(parts["test"], USER, stranger).slice(0, 2))}

    checks = spoil("ratio", forget)
    assert names(checks) == {"users in train"}
    assert "2 held-out rows belong to users who have no row in train" in describe(failed(checks))


def test_leave_one_out_rows_that_are_later_or_not_alone(spoil: Callable[..., list[Check]]) -> None:
    def early_test(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        return {"test": pa.concat_tables([earlier(parts["test"].slice(0, 1)), parts["test"].slice(1)])}

    assert names(spoil("leave_one_out", early_test)) == {"test is last"}

    def second_row(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        other = set_column(parts["test"], ITEM, pa.array(["never seen"] * len(parts["test"])))
        return {"test": over(parts["test"].slice(0, 1), other.slice(0, 1)), "train": parts["train"]}

    two = spoil("leave_one_out", lambda parts: {"test": pa.concat_tables([parts["test"], second_row(parts)["test"]])})
    assert names(two) == {"one test row a user", "row balance"}


def test_ties_in_leave_one_out_are_judged_by_item(splits: dict[str, Path], spoil: Callable[..., list[Check]]) -> None:
    def tie(item: str) -> Callable[[dict[str, pa.Table]], dict[str, pa.Table]]:
        def change(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
            first = parts["test"].slice(0, 1)
            row = set_column(first, ITEM, pa.array([item]))
            return {"train": over(parts["train"], row), "validation": parts["validation"].slice(0, 0)}

        return change

    assert "test is last" in names(spoil("leave_one_out", tie("zzz")))
    assert "test is last" not in names(spoil("leave_one_out", tie("a")))


def test_direction_is_not_judged_on_few_items(tmp_path: Path) -> None:
    events: list[Event] = [(f"u{n}", f"i{n % 9}", "rate", 4.0 + n % 2, n) for n in range(90)]
    split(validated(tmp_path / "v", events, LIKED), tmp_path / "s")
    reason = next(check.reason for check in check_split(tmp_path / "s") if check.name == "direction of values (train)")
    assert reason == "not judged: 9 items with 5 rows or more and differing means"


def test_direction_is_judged_only_where_values_rank(tmp_path: Path) -> None:
    events: list[Event] = [(f"u{n}", f"i{n}", "buy", 1.0, n) for n in range(10)]
    split(validated(tmp_path / "v", events, "positive: {event_types: [buy]}"), tmp_path / "s")
    checks = check_split(tmp_path / "s")
    assert not any("direction" in check.name for check in checks)
    assert "0 rows have a label that contradicts the rule (event_type in buy)" in describe(checks)


def test_event_and_time_of_a_shared_row_count(spoil: Callable[..., list[Check]]) -> None:
    def other_event(parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
        rows = set_column(parts["test"].slice(0, 2), EVENT, pa.array(["view"] * 2))
        return {"train": over(parts["train"], earlier(rows))}

    assert names(spoil("repeating", other_event)) == set()


def test_what_is_no_split_is_refused(tmp_path: Path, splits: dict[str, Path]) -> None:
    with pytest.raises(ArtifactError, match="holds a 'validated' artifact; the output of `split` was expected"):
        check_split(splits["v"])
    with pytest.raises(ArtifactError, match="no finished artifact"):
        check_split(tmp_path)
    for path in splits["temporal"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test.parquet").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"test\.parquet cannot be read as Parquet"):
        check_split(tmp_path)
    (tmp_path / "test.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"test\.parquet is missing"):
        check_split(tmp_path)


def test_checks_survive_json() -> None:
    checks = [Check("a", True, "fine"), Check("b", False, "2 rows")]
    assert checks_from_json(checks_to_json(checks)) == checks
    assert failed(checks) == checks[1:]
    assert describe(checks) == "a: fine; b: 2 rows"


def test_users_of_the_fixture_are_all_there(splits: dict[str, Path]) -> None:
    found = {user for part in SPLITS for user in pq.read_table(splits["user"] / f"{part}.parquet")[USER].to_pylist()}
    assert len(found) == USERS
