"""The protocols: how a dataset is parted, what counts as a positive, and what is ranked for whom.

    temporal        two cut times for everybody: 80 % train, 10 % validation, 10 % test
    leave_one_out   each user's last positive is test, the one before it validation
    ratio           25 % of each user's rows, drawn at random, are test; 10 % of all rows are validation
    ncf             leave-one-out; the test item is ranked among 99 others (He et al. 2017)
    cold_items      10 % of the items are withheld from training as test, 10 % as validation
    cold_users      10 % of the users are withheld from training as test, 10 % as validation

Whatever the protocol: a model chooses its number of passes on the validation part, is then fitted on train and
validation, and is judged on the test part. Items of train and validation are never ranked for their user again, users
without a test positive are not judged, and metrics are those of `kuberec.evaluation.metrics`: binary relevance, mean
over users.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quality.datasets import WORK, Dataset, content, open_data
from benchmarks.quality.fingerprint import code_digest
from benchmarks.quality.views import Candidates, Catalogue, View
from kuberec.artifacts import new_artifact, read_manifest, write_text
from kuberec.dataset import DATASET_FILE, Positive, dump_dataset_spec
from kuberec.errors import ConfigError, DataError
from kuberec.evaluate import read_truth
from kuberec.features import Features, load_features
from kuberec.featurize import featurize
from kuberec.fingerprint import digest
from kuberec.schema import INTERACTION_SCHEMA, INTERACTIONS, ITEM, ITEMS, TEST, TRAIN, USER, USERS, VALIDATION
from kuberec.split import split

SAMPLED = 99
"""Items that the test item is ranked among in `ncf`."""
PARTERS = (
    "benchmarks/quality/protocols.py",
    "kuberec/encoders.py",
    "kuberec/featurize.py",
    "kuberec/split.py",
    "kuberec/strategies.py",
)
"""What decides which row goes where, and how it is encoded."""


class Protocol(StrEnum):
    """How a dataset is parted and judged."""

    TEMPORAL = "temporal"
    LEAVE_ONE_OUT = "leave_one_out"
    RATIO = "ratio"
    NCF = "ncf"
    COLD_ITEMS = "cold_items"
    COLD_USERS = "cold_users"


SPLITS: dict[Protocol, dict[str, Any]] = {
    Protocol.TEMPORAL: {"strategy": "temporal"},
    Protocol.LEAVE_ONE_OUT: {"strategy": "leave_one_out"},
    Protocol.RATIO: {"strategy": "ratio", "validation_share": 0.1, "test_share": 0.25},
    Protocol.NCF: {"strategy": "leave_one_out"},
    Protocol.COLD_ITEMS: {"strategy": "item"},
    Protocol.COLD_USERS: {"strategy": "user"},
}
EVERY_ROW_COUNTS = (Protocol.LEAVE_ONE_OUT, Protocol.RATIO, Protocol.NCF)
"""Protocols of papers that count every interaction as a positive, whatever its value."""


@dataclass(frozen=True)
class Task:
    """A dataset as a protocol sees it.

    Attributes:
        dataset: Its name.
        protocol: The protocol.
        features: What may be learned from: train and validation.
        views: What is asked of a recommender, the main one first.
        facts: Counts, for the report.
        key: Changes with whatever the figures depend on besides the recommender.
    """

    dataset: str
    protocol: Protocol
    features: Features
    views: Sequence[View]
    facts: dict[str, Any]
    key: str


Asked = tuple[Sequence[View], dict[str, Any]]
"""The views of a protocol on a dataset, and facts for the report."""


def prepare(
    folder: Path,
    protocol: str,
    *,
    positive: float | None = None,
    seed: int = 0,
    held_back: bool = False,
    work: Path = WORK,
) -> Task:
    """Part a folder of interaction data by a protocol.

    Args:
        folder: The data, in any of the forms of `formats.FORMS`.
        protocol: One of `Protocol`.
        positive: Least value of a positive; by default the protocol's rule, see `EVERY_ROW_COUNTS`.
        seed: Of what is drawn at random: rows, users, items, sampled candidates.
        held_back: Leave the test rows out altogether and apply the protocol to what remains.
        work: Where intermediate results are kept.

    Raises:
        ConfigError: There is no such protocol.
        DataError: The data is too little for it, or has no times to compare.
    """
    if protocol not in list(Protocol):
        raise ConfigError(f"there is no protocol {protocol!r}; the protocols are {', '.join(Protocol)}.")
    chosen = Protocol(protocol)
    dataset = open_data(folder, work, _rule(chosen, positive))
    parted, features = _parted(dataset, chosen, seed, work)
    if held_back:
        dataset = _without_test(dataset, parted, work)
        parted, features = _parted(dataset, chosen, seed, work)
    loaded = load_features(features)
    views, facts = VIEWS[chosen](dataset, parted, loaded, seed)
    counts = {name: read_manifest(parted).rows[INTERACTIONS][name] for name in (TRAIN, VALIDATION, TEST)}
    sizes = {"users": len(loaded.users) - 1, "items": len(loaded.items) - 1, "rows": counts}
    judged = {view.name: {"users": view.users, "description": view.description} for view in views}
    key = digest([read_manifest(parted).content_hash, loaded.content_hash, chosen, seed, code_digest(*JUDGES)])
    return Task(dataset.name, chosen, loaded, views, {**sizes, "views": judged, **facts}, key)


JUDGES = ("benchmarks/quality/protocols.py", "benchmarks/quality/views.py", "kuberec/evaluation/metrics.py")


def _rule(protocol: Protocol, positive: float | None) -> Positive | None:
    if positive is not None:
        return Positive(min_value=positive)
    return Positive() if protocol in EVERY_ROW_COUNTS else None


def _parted(dataset: Dataset, protocol: Protocol, seed: int, work: Path) -> tuple[Path, Path]:
    """The split and its features, made once."""
    kept = work / "parts" / digest([content(dataset), SPLITS[protocol], seed, code_digest(*PARTERS)])
    parted, features = kept / "split", kept / "features"
    if not (features / "manifest.json").is_file():
        split(dataset.validated, parted, seed=seed, **SPLITS[protocol])
        featurize(parted, features)
    return parted, features


def _without_test(dataset: Dataset, parted: Path, work: Path) -> Dataset:
    """The dataset of the rows that a split gives to train and validation."""
    kept = work / "held-back" / digest([content(dataset), read_manifest(parted).content_hash])
    if not (kept / "manifest.json").is_file():
        tables = [
            pq.read_table(parted / f"{name}.parquet", columns=INTERACTION_SCHEMA.names) for name in (TRAIN, VALIDATION)
        ]
        rows = pa.concat_tables(tables).sort_by([(name, "ascending") for name in ("timestamp", USER, ITEM)])
        with new_artifact(kept, "validated", parents={"validated": dataset.validated}) as (target, manifest):
            pq.write_table(rows.cast(INTERACTION_SCHEMA), target / f"{INTERACTIONS}.parquet")
            for name in (USERS, ITEMS):
                if (table := dataset.validated / f"{name}.parquet").is_file():
                    (target / table.name).write_bytes(table.read_bytes())
            write_text(target / DATASET_FILE, dump_dataset_spec(dataset.spec))
            manifest.rows[INTERACTIONS] = {"in": len(rows), "out": len(rows), "quarantined": 0}
    return Dataset(dataset.name, kept, {})


def _full(dataset: Dataset, parted: Path, features: Features, seed: int) -> Asked:
    what = f"all {len(features.items) - 1:,} items ranked for each test user"
    return (Catalogue("full", what, read_truth(parted, features)),), {}


def _cold_items(dataset: Dataset, parted: Path, features: Features, seed: int) -> Asked:
    rows = pq.read_table(parted / f"{TEST}.parquet", columns=[ITEM])
    withheld = np.array(sorted(set(rows[ITEM].to_pylist())), dtype=object)
    missing = int((features.items.indices(withheld) == 0).sum())
    if missing:
        raise DataError(
            f"{missing} of the {len(withheld)} withheld items are in no items table, so that nothing is known of them. "
            "Cold items need a dataset with features of items."
        )
    truth = read_truth(parted, features)
    only = f"the {len(withheld):,} withheld items ranked for each user who took one of them"
    every = f"all {len(features.items) - 1:,} items ranked for the same users; only withheld items count as found"
    views = (Catalogue("cold", only, truth, withheld), Catalogue("full", every, truth))
    return views, {"withheld_items": len(withheld)}


def _ncf(dataset: Dataset, parted: Path, features: Features, seed: int) -> Asked:
    rows = pq.read_table(parted / f"{TEST}.parquet", columns=[USER, ITEM]).sort_by(USER)
    pairs = list(zip(rows[USER].to_pylist(), rows[ITEM].to_pylist(), strict=True))
    if dataset.negatives:
        return _published(pairs, dataset)
    candidates = _drawn(pairs, parted, features, seed)
    what = f"the test item among {SAMPLED} items that the user never took, drawn with seed {seed}"
    return (Candidates("sampled", what, rows[USER].to_numpy(), candidates),), {"candidates": "drawn"}


def _published(pairs: list[tuple[str, str]], dataset: Dataset) -> Asked:
    """The publisher's candidates: without the rows that list their own test item as a negative, and with them."""
    if lost := set(dataset.negatives) - set(pairs):
        raise DataError(
            f"{len(lost)} of the {len(dataset.negatives)} published test rows cannot be held out, for example "
            f"{sorted(lost)[0]}: their users have fewer than three interactions, or took the test item before."
        )
    sizes = {len(others) for others in dataset.negatives.values()}
    if len(sizes) != 1:
        raise DataError(f"the published test rows have different numbers of negatives: {sorted(sizes)}.")
    rows = np.array([(user, item, *others) for (user, item), others in sorted(dataset.negatives.items())], dtype=object)
    sound = ~(rows[:, 2:] == rows[:, 1:2]).any(axis=1)
    skipped = int((~sound).sum())
    what = f"the test item among its {sizes.pop()} published negatives"
    main = f"{what}; {skipped} test rows that list their own test item as a negative are skipped"
    every = f"{what}, in every row; a test item among its own negatives is not counted against itself"
    views = (
        Candidates("sampled", main, rows[sound, 0], rows[sound, 1:]),
        Candidates("every_row", every, rows[:, 0], rows[:, 1:]),
    )
    return views[: 1 + bool(skipped)], {"candidates": "published", "skipped_rows": skipped}


def _drawn(pairs: list[tuple[str, str]], parted: Path, features: Features, seed: int) -> Any:
    """`[users, 1 + SAMPLED]` each test item and items that its user never took, out of those anybody took."""
    rng = np.random.default_rng(seed)
    taken = features.observed
    pool = np.unique(taken.item)
    ends = np.searchsorted(taken.user, np.arange(len(features.users) + 1))
    rows = []
    for user, item in pairs:
        index = features.users.index[user]
        own = [*taken.item[ends[index] : ends[index + 1]], features.items.index.get(item, 0)]
        unseen = np.setdiff1d(pool, own)
        if len(unseen) < SAMPLED:
            raise DataError(f"user {user!r} never took {len(unseen)} items; {SAMPLED} are to be drawn.")
        rows.append([item, *features.items.ids[rng.choice(unseen, SAMPLED, replace=False)]])
    return np.array(rows, dtype=object)


VIEWS: dict[Protocol, Callable[[Dataset, Path, Features, int], Asked]] = {
    Protocol.TEMPORAL: _full,
    Protocol.LEAVE_ONE_OUT: _full,
    Protocol.RATIO: _full,
    Protocol.NCF: _ncf,
    Protocol.COLD_ITEMS: _cold_items,
    Protocol.COLD_USERS: _full,
}
