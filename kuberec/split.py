"""Split: parts the interactions into train, validation and test, so that nothing of a later part leaks into an earlier.

The rules, which `kuberec.leakage` checks in what was written:

1. `temporal`: two cut times for everybody. Rows before the first are train, rows from the second on are test; all rows
   of one time fall on the same side.
2. `leave_one_out`: each user's last positive is test, the one before it validation; later rows of the user are set
   aside. Users with fewer than three positives stay in train.
3. `user`: whole users are held out, chosen by a hash of the seed and their id; they have no training history.
4. `ratio`: a share of each user's rows is held out, chosen by a hash of the seed and the row; one at least stays in
   train.
5. `item`: whole items are held out, chosen by a hash of the seed and their id; what is known of them is their features.
6. Unless the dataset allows repeat consumption, a pair of user and item belongs to its earliest part; its later rows
   in other parts are set aside, for a recommender never offers again what a user has had.
7. `label` is the dataset's rule for positives, applied to each row alone.

No row is lost: rows in = train + validation + test + set aside, the last with its reason.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kuberec.artifacts import Manifest, new_artifact, verify_artifact, write_json
from kuberec.checks import Check, checks_to_json, describe, failed
from kuberec.dataset import DATASET_FILE, DatasetSpec, load_dataset_spec
from kuberec.errors import ArtifactError, DataError
from kuberec.labels import positive
from kuberec.leakage import SET_ASIDE, SPLIT_FILE, check_split
from kuberec.progress import phases
from kuberec.schema import INTERACTION_SCHEMA, INTERACTIONS, ITEM, ITEMS, LABEL, SPLITS, TIME, USER, USERS
from kuberec.strategies import (
    HINTS,
    ORDER,
    REPEAT_RULES,
    RULES,
    Parameters,
    Parts,
    Strategy,
    choose_parts,
    parse_parameters,
)
from kuberec.tables import connect, read_parquet, unix_microseconds, write_parquet


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
        strategy: `temporal`, `leave_one_out`, `user`, `ratio` or `item`.
        validation_share: Share of rows (temporal), of each user's rows (ratio), of users (user) or of items (item) for
            validation; unused by leave-one-out.
        test_share: The same for test.
        seed: Chooses the held-out users of `user`, rows of `ratio` and items of `item`.

    Returns:
        The manifest; `rows["interactions"]` counts what came in, each part and what was set aside.

    Raises:
        ConfigError: A setting is unknown or out of range, or the strategy does not fit the dataset's times.
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
            parts = choose_parts(interactions, spec, parameters)
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


def _copy(validated: Path, folder: Path) -> None:
    """Take over the specification and the tables of users and items as they are."""
    for name in (DATASET_FILE, f"{USERS}.parquet", f"{ITEMS}.parquet"):
        if (validated / name).is_file():
            shutil.copyfile(validated / name, folder / name)


def _labelled(interactions: Any, spec: DatasetSpec) -> Any:
    columns = interactions.select(*INTERACTION_SCHEMA.names)
    return columns.mutate(**{LABEL: positive(columns, spec.positive)})


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
        f"Too little data for the {parameters.strategy.value} split: {' and '.join(empty)} would hold no positive "
        f"({found}). {HINTS[parameters.strategy]}{repeats}"
    )
