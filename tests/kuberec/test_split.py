"""Splits: every row in its place, nothing lost, the same bytes each time."""

import hashlib
import json
import math
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import new_artifact, read_manifest, verify_artifact, write_text
from kuberec.dataset import DATASET_FILE, parse_dataset_spec
from kuberec.errors import ArtifactError, ConfigError, DataError
from kuberec.features import load_features
from kuberec.featurize import featurize
from kuberec.schema import EVENT, INTERACTION_SCHEMA, ITEM, LABEL, REASON, SPLITS, TIME, USER, VALUE
from kuberec.split import split
from kuberec.strategies import AFTER_HELD_OUT, REPEATED, Strategy

Event = tuple[str, str, str, float, int]
"""User, item, event type, value, unix seconds."""

ML_100K = Path(__file__).parents[3] / "shared" / "data" / "ml-100k" / "ml-100k.inter.gz"
LIKED = "positive: {min_value: 4}"
REPEATS = "repeat_consumption: true"


def validated(folder: Path, events: list[Event], rules: str = "", form: str = "auto") -> Path:
    """A folder as `validate` writes it."""
    text = f"name: small\ninteractions: {{path: small.csv, timestamp_format: {form}}}\n{rules}\n"
    parse_dataset_spec(text, "test")
    ordered = sorted(events, key=lambda event: (event[4], *event[:4]))
    columns = list(zip(*ordered, strict=True)) or [()] * 5
    columns[4] = tuple(seconds * 1_000_000 for seconds in columns[4])
    arrays = [pa.array(column, field.type) for column, field in zip(columns, INTERACTION_SCHEMA, strict=True)]
    with new_artifact(folder, "validated") as (target, _):
        pq.write_table(pa.table(arrays, schema=INTERACTION_SCHEMA), target / "interactions.parquet")
        write_text(target / DATASET_FILE, text)
    return folder


def clicks(*triples: tuple[str, str, int]) -> list[Event]:
    return [(user, item, "click", 1.0, seconds) for user, item, seconds in triples]


def rows(folder: Path, part: str) -> list[Event]:
    """The rows of a part in the order of the file."""
    table = pq.read_table(folder / f"{part}.parquet").to_pylist()
    return [
        (row[USER], row[ITEM], row[EVENT], row[VALUE], int(row[TIME].timestamp()))  # whole seconds by construction
        for row in table
    ]


def many_events(count: int = 600, users: int = 12, items: int = 30, seed: int = 1) -> list[Event]:
    """Random events with ties in time, repeated pairs and disliked items; no two are equal."""
    rng = random.Random(seed)
    events: set[Event] = set()
    while len(events) < count:
        kind = rng.choice(["view", "buy"])
        user, item = f"u{rng.randrange(users)}", f"i{rng.randrange(items)}"
        events.add((user, item, kind, float(rng.randint(1, 5)), rng.randrange(count // 4)))
    return sorted(events)


def test_temporal_cuts_by_time_for_everybody(tmp_path: Path) -> None:
    events = clicks(*((f"u{time % 3}", f"i{time}", time) for time in range(10)))
    source = validated(tmp_path / "validated", random.Random(3).sample(events, 10))
    split(source, tmp_path / "split", validation_share=0.2, test_share=0.3)
    assert rows(tmp_path / "split", "train") == events[:5]
    assert rows(tmp_path / "split", "validation") == events[5:7]
    assert rows(tmp_path / "split", "test") == events[7:]


def test_rows_of_one_time_fall_on_the_same_side(tmp_path: Path) -> None:
    times = [0, 1, 2, 3, 4, 5, 6, 6, 6, 8]  # the cuts at rows 7 and 9 would part the sixes
    events = clicks(*((f"u{row}", f"i{row}", time) for row, time in enumerate(times)))
    split(validated(tmp_path / "validated", events), tmp_path / "split", validation_share=0.2, test_share=0.1)
    assert [event[4] for event in rows(tmp_path / "split", "train")] == [0, 1, 2, 3, 4, 5]
    assert [event[4] for event in rows(tmp_path / "split", "validation")] == [6, 6, 6]
    assert [event[4] for event in rows(tmp_path / "split", "test")] == [8]


def test_boundaries_are_the_first_times_of_the_later_parts(tmp_path: Path) -> None:
    events = clicks(*((f"u{time}", f"i{time}", 86_400 * time) for time in range(10)))
    split(validated(tmp_path / "validated", events), tmp_path / "split")
    facts = json.loads((tmp_path / "split" / "split.json").read_text())
    assert facts["boundaries"] == {
        "validation_start": "1970-01-09T00:00:00+00:00",
        "test_start": "1970-01-10T00:00:00+00:00",
    }
    assert facts["counts"]["test"]["first"] == 9 * 86_400 * 1_000_000
    assert all(check["passed"] for check in facts["checks"])


@pytest.mark.parametrize("repeat", [False, True])
def test_temporal_agrees_with_a_plain_loop(tmp_path: Path, repeat: bool) -> None:
    events = sorted(many_events(), key=lambda event: event[4])
    source = validated(tmp_path / "validated", events, REPEATS if repeat else "")
    manifest = split(source, tmp_path / "split", validation_share=0.15, test_share=0.25)
    validation_start, test_start = events[600 - 240][4], events[600 - 150][4]
    expected: dict[str, set[Event]] = defaultdict(set)
    pairs: dict[tuple[str, str], str] = {}
    for event in events:
        part = "train" if event[4] < validation_start else "validation" if event[4] < test_start else "test"
        first = pairs.setdefault(event[:2], part)
        expected[part if repeat or first == part else "set_aside"].add(event)
    for part in (*SPLITS, "set_aside"):
        assert set(rows(tmp_path / "split", part)) == expected[part], part
    assert manifest.rows["interactions"]["in"] == 600
    assert manifest.rows["interactions"]["quarantined"] == len(expected["set_aside"])
    assert (len(expected["set_aside"]) == 0) == repeat


def test_rows_set_aside_say_why(tmp_path: Path) -> None:
    events = clicks(("a", "x", 0), ("a", "y", 1), ("b", "y", 2), ("b", "z", 8), ("a", "x", 8), ("a", "z", 9))
    split(validated(tmp_path / "validated", events), tmp_path / "split", validation_share=0.3, test_share=0.2)
    table = pq.read_table(tmp_path / "split" / "set_aside.parquet")
    assert table.select([USER, ITEM, REASON]).to_pylist() == [{USER: "a", ITEM: "x", REASON: REPEATED}]


def test_leave_one_out_holds_out_the_last_two_positives(tmp_path: Path) -> None:
    events: list[Event] = [
        ("a", "i1", "rate", 5.0, 1),
        ("a", "i2", "rate", 1.0, 2),
        ("a", "i3", "rate", 4.0, 3),  # validation
        ("a", "i4", "rate", 2.0, 4),  # after the held-out row: set aside
        ("a", "i5", "rate", 5.0, 5),  # test
        ("a", "i6", "rate", 1.0, 6),  # set aside
        ("few", "i1", "rate", 5.0, 7),  # two positives only: the user stays in train
        ("few", "i2", "rate", 5.0, 8),
        ("few", "i3", "rate", 1.0, 9),
        ("tie", "i2", "rate", 5.0, 3),  # ties: item ids decide
        ("tie", "i3", "rate", 5.0, 3),
        ("tie", "i1", "rate", 5.0, 3),
    ]
    split(validated(tmp_path / "v", events, LIKED), tmp_path / "s", strategy="leave_one_out")
    assert {event[:2] for event in rows(tmp_path / "s", "test")} == {("a", "i5"), ("tie", "i3")}
    assert {event[:2] for event in rows(tmp_path / "s", "validation")} == {("a", "i3"), ("tie", "i2")}
    aside = pq.read_table(tmp_path / "s" / "set_aside.parquet")
    assert aside[ITEM].to_pylist() == ["i4", "i6"]
    assert set(aside[REASON].to_pylist()) == {AFTER_HELD_OUT}
    assert read_manifest(tmp_path / "s").rows["interactions"] == {
        "in": 12, "out": 10, "quarantined": 2, "train": 6, "validation": 2, "test": 2,
    }  # fmt: skip


@pytest.mark.parametrize("repeat", [False, True])
def test_leave_one_out_agrees_with_a_plain_loop(tmp_path: Path, repeat: bool) -> None:
    rules = "positive: {min_value: 4, event_types: [buy]}\n" + (REPEATS if repeat else "")
    events = many_events(users=60, items=40)
    split(validated(tmp_path / "v", events, rules), tmp_path / "s", strategy="leave_one_out")
    expected: dict[str, set[Event]] = defaultdict(set)
    for user in {event[0] for event in events}:
        history = sorted((e for e in events if e[0] == user), key=lambda e: (e[4], e[1], e[2], e[3]))
        seen: set[str] = set()
        candidates = []
        for position, event in enumerate(history):
            if event[2] == "buy" and event[3] >= 4 and (repeat or event[1] not in seen):
                candidates.append(position)
            seen.add(event[1])
        validation, test = candidates[-2:] if len(candidates) >= 3 else (len(history), len(history))
        for position, event in enumerate(history):
            part = "train" if position < validation else "set_aside"
            expected[{validation: "validation", test: "test"}.get(position, part)].add(event)
    assert expected["test"] and expected["train"]
    for part in (*SPLITS, "set_aside"):
        assert set(rows(tmp_path / "s", part)) == expected[part], part


def test_user_split_holds_out_whole_users_by_share(tmp_path: Path) -> None:
    events = many_events(users=20)
    manifest = split(validated(tmp_path / "v", events), tmp_path / "s", strategy="user", validation_share=0.25)
    users = {part: {event[0] for event in rows(tmp_path / "s", part)} for part in SPLITS}
    assert {part: len(found) for part, found in users.items()} == {"train": 13, "validation": 5, "test": 2}
    assert len(set.union(*users.values())) == 20
    assert manifest.rows["interactions"]["out"] == 600


def test_user_split_follows_the_seed_alone(tmp_path: Path) -> None:
    source = validated(tmp_path / "v", many_events(users=20))
    more = validated(tmp_path / "more", [*many_events(users=20), ("u1", "new", "view", 1.0, 10**6)])

    def test_users(folder: Path, seed: int) -> set[str]:
        split(folder, tmp_path / "s", strategy="user", test_share=0.3, seed=seed)
        return {event[0] for event in rows(tmp_path / "s", "test")}

    assert test_users(source, 1) == test_users(source, 1) == test_users(more, 1)
    assert test_users(source, 1) != test_users(source, 2)


def md5(*parts: object) -> str:
    return hashlib.md5(":".join(map(str, parts)).encode()).hexdigest()


@pytest.mark.parametrize("repeat", [False, True])
def test_ratio_agrees_with_a_plain_loop(tmp_path: Path, repeat: bool) -> None:
    events = [*many_events(users=15, items=60), ("once", "i1", "buy", 5.0, 3), ("twice", "i1", "buy", 5.0, 3)]
    events += [("twice", "i2", "buy", 5.0, 3), ("ü:u1", "漢 字", "buy", 4.0, 10**9)]
    source = validated(tmp_path / "v", events, REPEATS if repeat else "")
    split(source, tmp_path / "s", strategy="ratio", validation_share=0.2, test_share=0.25, seed=7)
    expected: dict[str, set[Event]] = defaultdict(set)
    for user in {event[0] for event in events}:
        history = [event for event in events if event[0] == user]
        history.sort(key=lambda e: (md5(7, e[0], e[1], e[4] * 1_000_000), e[4], *e[1:4]))
        tested = min(math.floor(len(history) * 0.25 + 0.5), len(history) - 1)
        held_out = min(tested + math.floor(len(history) * 0.2 + 0.5), len(history) - 1)
        parts = {"train": history[held_out:], "validation": history[tested:held_out], "test": history[:tested]}
        before: set[str] = set()
        for part, own in parts.items():
            for event in own:
                expected["set_aside" if event[1] in before and not repeat else part].add(event)
            before |= {event[1] for event in own}
    assert expected["test"] and expected["validation"] and bool(expected["set_aside"]) != repeat
    for part in (*SPLITS, "set_aside"):
        assert set(rows(tmp_path / "s", part)) == expected[part], part


@pytest.mark.parametrize(
    ("count", "shares", "expected"),
    [
        (1, (0.45, 0.5), (1, 0, 0)),
        (2, (0.45, 0.5), (1, 0, 1)),
        (3, (0.49, 0.5), (1, 0, 2)),  # 1.5 tests are two; validation takes what leaves a row in train
        (4, (0.1, 0.1), (4, 0, 0)),
        (5, (0.1, 0.1), (3, 1, 1)),  # halves count as one
        (8, (0.25, 0.25), (4, 2, 2)),
        (100, (0.29, 0.57), (14, 29, 57)),  # 100 * 0.29 is 28.999… to a computer
    ],
)
def test_ratio_rounds_by_user_and_leaves_a_row_in_train(
    tmp_path: Path, count: int, shares: tuple[float, float], expected: tuple[int, int, int]
) -> None:
    events = clicks(*(("a", f"i{time}", time) for time in range(count)))
    enough = clicks(*(("b", f"i{time}", time) for time in range(20)))
    source = validated(tmp_path / "v", [*events, *enough])
    split(source, tmp_path / "s", strategy="ratio", validation_share=shares[0], test_share=shares[1])
    found = tuple(sum(event[0] == "a" for event in rows(tmp_path / "s", part)) for part in SPLITS)
    assert found == expected


def test_ratio_follows_the_seed_and_not_the_other_users(tmp_path: Path) -> None:
    source = validated(tmp_path / "v", many_events(items=900))
    more = validated(tmp_path / "more", [*many_events(items=900), ("new", "i1", "view", 1.0, 10**6)])

    def test_rows(folder: Path, seed: int) -> list[Event]:
        split(folder, tmp_path / "s", strategy="ratio", test_share=0.3, seed=seed)
        return rows(tmp_path / "s", "test")

    assert test_rows(source, 1) == test_rows(more, 1)
    assert test_rows(source, 1) != test_rows(source, 2)


def test_item_split_holds_out_whole_items_by_share(tmp_path: Path) -> None:
    events = many_events(items=20)
    manifest = split(validated(tmp_path / "v", events), tmp_path / "s", strategy="item", validation_share=0.25, seed=3)
    order = sorted({event[1] for event in events}, key=lambda item: md5(3, item))
    found = {part: {event[1] for event in rows(tmp_path / "s", part)} for part in SPLITS}
    assert found == {"test": set(order[:2]), "validation": set(order[2:7]), "train": set(order[7:])}
    assert manifest.rows["interactions"]["out"] == 600
    facts = json.loads((tmp_path / "s" / "split.json").read_text())
    assert facts["boundaries"] == {"items": 20, "validation_items": 5, "test_items": 2}


def test_items_that_are_held_out_keep_their_features(tmp_path: Path) -> None:
    rules = "items: {path: i.csv, features: {price: numeric}}"
    events = many_events(items=20)
    source = validated(tmp_path / "v", events, rules)
    ids = sorted({event[1] for event in events})
    pq.write_table(pa.table({ITEM: ids, "price": [float(n) for n in range(20)]}), source / "items.parquet")
    split(source, tmp_path / "s", strategy="item")
    featurize(tmp_path / "s", tmp_path / "f")
    items = load_features(tmp_path / "f").items
    cold = [event[1] for part in ("validation", "test") for event in rows(tmp_path / "s", part)]
    assert not items.known[items.indices(cold)].any()
    assert items.known.sum() == 20 - len(set(cold)) == 16
    prices = items.columns["price"] * items.infos["price"].deviation + items.infos["price"].mean
    np.testing.assert_allclose(prices[items.indices(ids)], range(20), atol=1e-5)


RANKS = clicks(*((f"u{user:02}", f"i{user * 7 % 30 + rank}", rank) for user in range(30) for rank in range(10)))
"""Thirty users, each with ten items in the order 0 to 9."""


def test_ranks_within_users_cannot_be_cut_by_time(tmp_path: Path) -> None:
    source = validated(tmp_path / "v", RANKS, form="order")
    message = r"ranks within each user .*Choose one of leave_one_out, user, ratio, item, or bring the times"
    with pytest.raises(ConfigError, match=message):
        split(source, tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("strategy", [strategy for strategy in Strategy if strategy is not Strategy.TEMPORAL])
def test_ranks_within_users_split_as_times_do(tmp_path: Path, strategy: Strategy) -> None:
    """Users are told apart by everything but time, so that moving one user's times changes nothing."""
    moved = [(*event[:4], event[4] + 1_000 * int(event[0][1:])) for event in RANKS]
    parts = []
    for name, events in (("ranks", RANKS), ("moved", moved)):
        split(validated(tmp_path / name / "v", events, form="order"), tmp_path / name / "s", strategy=strategy)
        parts.append([[event[:2] for event in sorted(rows(tmp_path / name / "s", part))] for part in SPLITS])
    if strategy is not Strategy.RATIO:  # whose draw is a hash of the time as well
        assert parts[0] == parts[1]
    if strategy is Strategy.LEAVE_ONE_OUT:
        assert [len(part) for part in parts[0]] == [240, 30, 30]


def test_label_needs_value_and_event_type(tmp_path: Path) -> None:
    events: list[Event] = [
        (f"u{time}", f"i{time}", kind, value, time)
        for time, (kind, value) in enumerate([("buy", 4.0), ("buy", 3.9), ("view", 5.0), ("buy", 5.0), ("buy", 4.0)])
    ]
    rules = "positive: {min_value: 4, event_types: [buy]}"
    split(validated(tmp_path / "v", events, rules), tmp_path / "s", validation_share=0.2, test_share=0.2)
    labels = [pq.read_table(tmp_path / "s" / f"{part}.parquet")[LABEL].to_pylist() for part in SPLITS]
    assert labels == [[True, False, False], [True], [True]]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, strategy: str) -> None:
    source = validated(tmp_path / "v", many_events(3000, items=900), LIKED)
    first = split(source, tmp_path / "a", strategy=strategy)
    second = split(source, tmp_path / "b", strategy=strategy)
    assert first.files == second.files
    assert first.parents == {"validated": read_manifest(source).content_hash}
    verify_artifact(tmp_path / "a")


def test_any_id_survives(tmp_path: Path) -> None:
    ids = ["ü 漢字", "two\nlines", "'; --", '"q"', "\t", "🎬"]
    events = clicks(*((user, item, time) for time, (user, item) in enumerate(zip(ids, ids[::-1], strict=True))))
    split(validated(tmp_path / "v", events), tmp_path / "s", validation_share=0.2, test_share=0.2)
    assert [event for part in SPLITS for event in rows(tmp_path / "s", part)] == events


def test_feature_tables_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "v"
    validated(source, many_events())
    pq.write_table(pa.table({USER: ["u1"], "age": [3.0]}), source / "users.parquet")
    with new_artifact(tmp_path / "w", "validated") as (folder, _):
        for name in ("users.parquet", "interactions.parquet", DATASET_FILE):
            (folder / name).write_bytes((source / name).read_bytes())
    split(tmp_path / "w", tmp_path / "s")
    assert (tmp_path / "s" / "users.parquet").read_bytes() == (source / "users.parquet").read_bytes()
    assert not (tmp_path / "s" / "items.parquet").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "random"}, r"strategy='random' is unknown.*temporal, leave_one_out, user, ratio, item"),
        ({"test_share": 0.0}, r"test_share=0.0 must lie between 0 and 1"),
        ({"validation_share": 1.5}, r"validation_share=1.5 must lie between 0 and 1"),
        ({"test_share": float("nan")}, r"test_share=nan must lie between 0 and 1"),
        ({"validation_share": 0.5, "test_share": 0.5}, r"leave nothing for train"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split(tmp_path / "never read", tmp_path / "s", **settings)  # type: ignore[arg-type]


ONE_USER = clicks(*(("a", f"i{time}", time) for time in range(20)))
ONE_TIME = clicks(*((f"u{row}", f"i{row}", 5) for row in range(20)))


@pytest.mark.parametrize(
    ("strategy", "events", "message"),
    [
        ("temporal", [], "0 interactions are too few"),
        ("temporal", ONE_USER[:1], "1 interactions are too few"),
        ("temporal", ONE_TIME, "Too little data for the temporal split: train and validation would hold no positive"),
        ("user", ONE_USER, "Too little data for the user split: validation and test would hold no positive"),
        ("user", [], "Too little data for the user split"),
        ("leave_one_out", ONE_TIME, "Leave-one-out needs a user with 3 positives"),
        ("leave_one_out", [], "Too little data for the leave_one_out split"),
        ("ratio", ONE_TIME, "Too little data for the ratio split: validation and test would hold no positive"),
        ("ratio", [], "A split by ratio needs users with several rows"),
        ("item", clicks(*((f"u{time}", "i", time) for time in range(20))), "A split by item needs several items"),
        ("item", [], "Too little data for the item split"),
    ],
)
def test_too_little_data_is_said(tmp_path: Path, strategy: str, events: list[Event], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(validated(tmp_path / "v", events), tmp_path / "s", strategy=strategy)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_part_without_positives_is_refused(tmp_path: Path) -> None:
    events: list[Event] = [(f"u{time}", f"i{time}", "rate", 5.0 if time < 9 else 1.0, time) for time in range(10)]
    with pytest.raises(DataError, match=r"test would hold no positive .*test 1 rows with 0 positives"):
        split(validated(tmp_path / "v", events, LIKED), tmp_path / "s")


def test_repeats_that_empty_a_part_are_named(tmp_path: Path) -> None:
    events = clicks(*(("a", "bread", time) for time in range(10)))
    with pytest.raises(
        DataError, match="2 rows were set aside; if users may take items again, set `repeat_consumption"
    ):
        split(validated(tmp_path / "v", events), tmp_path / "s")
    split(validated(tmp_path / "v", events, REPEATS), tmp_path / "s")


def test_inverted_values_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    events: list[Event] = []
    for item in range(40):  # the more an item is taken, the lower its value: 1 was meant to be the best
        for _ in range(6 + item):
            value = float(np.clip(round(5 - item / 10 + rng.normal(0, 0.5)), 1, 5))
            events.append((f"u{len(events)}", f"i{item}", "rate", value, int(rng.integers(10**6))))
    with pytest.raises(DataError, match=r"direction of values \(train\).*look inverted"):
        split(validated(tmp_path / "v", events, LIKED), tmp_path / "s")
    split(validated(tmp_path / "v", [(*e[:3], 6 - e[3], e[4]) for e in events], LIKED), tmp_path / "s")


def test_a_changed_or_foreign_input_is_refused(tmp_path: Path) -> None:
    source = validated(tmp_path / "v", many_events())
    split(source, tmp_path / "s")
    with pytest.raises(ArtifactError, match="holds a 'split' artifact; the output of `validate` was expected"):
        split(tmp_path / "s", tmp_path / "t")
    (source / "interactions.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ArtifactError, match=r"interactions\.parquet was changed"):
        split(source, tmp_path / "t")
    with pytest.raises(ArtifactError, match="no finished artifact"):
        split(tmp_path / "absent", tmp_path / "t")


@pytest.mark.skipif(not ML_100K.exists(), reason="MovieLens-100K is not beside the repository")
def test_movielens_parts_are_those_of_sorted_times(tmp_path: Path) -> None:
    ratings = np.loadtxt(ML_100K, skiprows=1)
    events: list[Event] = [(f"{u:.0f}", f"{i:.0f}", "rating", value, int(time)) for u, i, value, time in ratings]
    manifest = split(validated(tmp_path / "v", events, LIKED), tmp_path / "s")
    times = np.sort(ratings[:, 3])
    train = int((ratings[:, 3] < times[80_000]).sum())
    test = int((ratings[:, 3] >= times[90_000]).sum())
    expected = {"train": train, "validation": 100_000 - train - test, "test": test}
    assert {part: manifest.rows["interactions"][part] for part in SPLITS} == expected
    labels = pq.read_table(tmp_path / "s" / "train.parquet")[LABEL].to_numpy()
    assert labels.sum() == int((ratings[ratings[:, 3] < times[80_000], 2] >= 4).sum())


@pytest.mark.skipif(not ML_100K.exists(), reason="MovieLens-100K is not beside the repository")
def test_movielens_ratio_is_three_quarters_of_each_user(tmp_path: Path) -> None:
    ratings = np.loadtxt(ML_100K, skiprows=1)
    events: list[Event] = [(f"{u:.0f}", f"{i:.0f}", "rating", value, int(time)) for u, i, value, time in ratings]
    source = validated(tmp_path / "v", events, LIKED)
    manifest = split(source, tmp_path / "s", strategy="ratio", validation_share=0.05, test_share=0.25)
    counts = np.unique(ratings[:, 0], return_counts=True)[1]
    assert manifest.rows["interactions"]["test"] == np.floor(counts * 0.25 + 0.5).sum()
    assert manifest.rows["interactions"]["validation"] == np.floor(counts * 0.05 + 0.5).sum()
    assert manifest.rows["interactions"]["quarantined"] == 0
