"""Validate: rows that parse but break a rule go to quarantine; too many of them stop the pipeline."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuberec.artifacts import Manifest, new_artifact, verify_artifact, write_json, write_text
from kuberec.data_report import render_data_report
from kuberec.data_statistics import compute_statistics
from kuberec.dataset import DATASET_FILE, DatasetSpec, Entities, Feature, dump_dataset_spec, load_dataset_spec
from kuberec.errors import ConfigError, DataError
from kuberec.progress import phases
from kuberec.quarantine import Quarantine, balance, describe_reasons, open_quarantine
from kuberec.schema import (
    EVENT,
    FILE_ROW,
    INTERACTION_SCHEMA,
    INTERACTIONS,
    ITEM,
    ITEMS,
    REASON,
    ROW,
    TIME,
    USER,
    USERS,
    VALUE,
    FeatureType,
)
from kuberec.sources.batches import Refused
from kuberec.tables import connect, read_parquet

STATISTICS_FILE = "statistics.json"
REPORT_FILE = "report.html"
FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(2100, 1, 1, tzinfo=UTC)
"""Events lie between these; fixed, so that the same data is always judged the same."""
MAX_BAD_SHARE = 0.01
ORDER = (TIME, USER, ITEM, EVENT, VALUE)
DUPLICATE_ROW = "exact duplicate of an earlier row"
BATCH_ROWS = 1 << 18


def validate(dataset: Path | str, output: Path | str, *, max_bad_share: float = MAX_BAD_SHARE) -> Manifest:
    """Check an ingested dataset against its rules and describe it.

    Refused are: values outside the dataset's `value_range`, times before 1970 or after 2099, exact duplicates of an
    interaction, and a further row of a user or item that was listed before (the first stays). An interaction whose user
    or item is missing from a given table is fine for training, an entity without interactions as well: both are counted
    in the statistics only. So are embeddings of another width than most of their feature's, which become missing.
    Interactions are written in the order of time, user and item; memory is bounded by the table
    engine, which sorts on disk beyond it.

    Args:
        dataset: The output of `ingest`.
        output: The validated folder to write.
        max_bad_share: The greatest share of a table's rows that `ingest` and `validate` together may have refused.

    Returns:
        The manifest; its rows balance per table.

    Raises:
        ConfigError: `max_bad_share` is no share.
        DataError: Too many rows were refused, or none is left; the worst reasons are named.
        ArtifactError: The dataset is no finished artifact or was changed, or the disk is full.
    """
    if not 0 <= max_bad_share <= 1:
        raise ConfigError(f"max_bad_share={max_bad_share} is no share; a number from 0 to 1 was expected.")
    dataset = Path(dataset)
    ingested = verify_artifact(dataset)
    spec = load_dataset_spec(dataset / DATASET_FILE)
    with new_artifact(output, "validated", parents={"dataset": dataset}, unhashed=(REPORT_FILE,)) as (folder, manifest):
        with connect() as backend, phases("Validate") as phase:
            phase("rules, duplicates and order")
            found, other_width = _validate_tables(backend, dataset, folder, spec)
            for table, reasons in found.items():
                rows_in = ingested.rows[table]["out"]
                rows_out = pq.read_metadata(folder / f"{table}.parquet").num_rows
                manifest.rows[table] = balance(rows_in, rows_out, reasons)
            manifest.facts["reasons"] = {table: dict(sorted(reasons.items())) for table, reasons in found.items()}
            manifest.facts["other_width"] = other_width
            quarantine = _judge(ingested, manifest, max_bad_share)
            phase("statistics")
            unordered = _unordered(dataset) if spec.times_are_comparable else 0
            statistics = compute_statistics(backend, folder, spec, unordered)
        statistics["quarantine"] = quarantine
        statistics["unparsed"] = ingested.facts.get("unparsed", {})
        statistics["other_width"] = other_width
        write_json(folder / STATISTICS_FILE, statistics)
        write_text(folder / REPORT_FILE, render_data_report(spec.name, statistics))
        write_text(folder / DATASET_FILE, dump_dataset_spec(spec))
    return manifest


def _validate_tables(
    backend: Any, dataset: Path, folder: Path, spec: DatasetSpec
) -> tuple[dict[str, Counter[str]], dict[str, dict[str, int]]]:
    """By table: the reasons for refused rows, and how many embeddings of each feature had another width than most."""
    found = {INTERACTIONS: _validate_interactions(backend, dataset, folder, spec)}
    other_width = {}
    for name, key, entities in ((USERS, USER, spec.users), (ITEMS, ITEM, spec.items)):
        if entities:
            found[name], other_width[name] = _validate_entities(backend, dataset, folder, name, key, entities)
    return found, other_width


def _validate_interactions(backend: Any, dataset: Path, folder: Path, spec: DatasetSpec) -> Counter[str]:
    rows = _numbered(backend, dataset / f"{INTERACTIONS}.parquet")
    judged = rows.mutate(_rule_broken(rows, spec.interactions.value_range).name(REASON))
    good = judged.filter(judged[REASON].isnull()).drop(REASON).order_by([*ORDER, ROW])
    with (
        open_quarantine(folder, INTERACTIONS) as quarantine,
        pq.ParquetWriter(folder / f"{INTERACTIONS}.parquet", INTERACTION_SCHEMA, compression="zstd") as writer,
    ):
        _refuse(judged, quarantine)
        for batch, repeats in _mark_repeats(_batches(good)):
            writer.write_table(
                batch.filter(pa.array(~repeats)).select(INTERACTION_SCHEMA.names).cast(INTERACTION_SCHEMA)
            )
            doubled = batch.filter(pa.array(repeats))
            quarantine.add(_refused(doubled.append_column(REASON, pa.repeat(DUPLICATE_ROW, len(doubled)))))
    return quarantine.reasons


def _rule_broken(rows: Any, value_range: tuple[float, float] | None) -> Any:
    """The rule that an interaction breaks, null for a good one."""
    early, late = rows[TIME] < ibis.literal(FIRST_TIME), rows[TIME] >= ibis.literal(LAST_TIME)
    cases = [(early, f"{TIME} lies before {FIRST_TIME.year}"), (late, f"{TIME} lies after {LAST_TIME.year - 1}")]
    if value_range:
        least, greatest = value_range
        outside = ~rows[VALUE].between(least, greatest)
        cases.append((outside, f"{VALUE} lies outside {least:g} to {greatest:g}"))
    return ibis.cases(*cases)


def _validate_entities(
    backend: Any, dataset: Path, folder: Path, name: str, key: str, entities: Entities
) -> tuple[Counter[str], dict[str, int]]:
    source = dataset / f"{name}.parquet"
    schema = pq.read_schema(source)
    rows = _numbered(backend, source)
    place = ibis.row_number().over(ibis.window(group_by=key, order_by=ROW))
    judged = rows.mutate(ibis.cases((place > 0, f"{key} is listed before")).name(REASON))
    good, other_width = _of_one_width(judged.filter(judged[REASON].isnull()), entities.features)
    with (
        open_quarantine(folder, name) as quarantine,
        pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer,
    ):
        _refuse(judged, quarantine)
        for batch in _batches(good.order_by(ROW)):
            writer.write_table(batch.select(schema.names).cast(schema))
    return quarantine.reasons, other_width


def _of_one_width(rows: Any, features: Mapping[str, Feature]) -> tuple[Any, dict[str, int]]:
    """Each embedding's commonest width stays (of equally common ones the smallest), others become missing, counted."""
    lost = {}
    for name in sorted(name for name, feature in features.items() if feature.type is FeatureType.EMBEDDING):
        width = rows[name].length()
        counted = rows.filter(rows[name].notnull()).group_by(width=width).aggregate(entities=ibis._.count())
        found = counted.order_by([counted["entities"].desc(), "width"]).to_pyarrow()
        if len(found) > 1:
            lost[name] = sum(found["entities"].to_pylist()[1:])
            rows = rows.mutate(**{name: (width == found["width"][0].as_py()).ifelse(rows[name], None)})
    return rows, lost


def _numbered(backend: Any, path: Path) -> Any:
    """A Parquet file with the number of each row from 1."""
    read_parquet(backend, path)
    rows = backend.read_parquet(str(path), file_row_number=True)
    return rows.mutate((rows[FILE_ROW] + 1).name(ROW)).drop(FILE_ROW)


def _batches(expression: Any) -> Iterator[pa.Table]:
    for batch in expression.to_pyarrow_batches(chunk_size=BATCH_ROWS):
        yield pa.Table.from_batches([batch])


def _refuse(judged: Any, quarantine: Quarantine) -> None:
    for batch in _batches(judged.filter(judged[REASON].notnull()).order_by(ROW)):
        quarantine.add(_refused(batch))


def _refused(rows: pa.Table) -> Iterator[Refused]:
    for row in rows.to_pylist():
        number, reason = row.pop(ROW), row.pop(REASON)
        yield Refused(number, reason, json.dumps(row, ensure_ascii=False, default=str))


def _mark_repeats(batches: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, npt.NDArray[np.bool_]]]:
    """For sorted batches, whether each row equals the one before it in everything but its number."""
    last: pa.Table | None = None
    for batch in batches:
        joined = batch if last is None else pa.concat_tables([last, batch])
        same = np.ones(len(joined) - 1, dtype=bool)
        for name in ORDER:
            column = joined[name].combine_chunks()
            same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        yield batch, same if last is not None else np.concatenate(([False], same))
        last = batch.slice(len(batch) - 1)


def _judge(ingested: Manifest, manifest: Manifest, max_bad_share: float) -> dict[str, Any]:
    """What both steps refused, by table, unless it is too much."""
    found = {}
    for table, rows in manifest.rows.items():
        reasons = Counter(ingested.facts["reasons"][table]) + Counter(manifest.facts["reasons"][table])
        rows_in = ingested.rows[table]["in"]
        refused = sum(reasons.values())
        _refuse_table(table, rows_in, refused, reasons, max_bad_share)
        found[table] = {"in": rows_in, "out": rows["out"], "quarantined": refused, "reasons": dict(reasons)}
    return found


def _refuse_table(table: str, rows_in: int, refused: int, reasons: Mapping[str, int], max_bad_share: float) -> None:
    if refused == rows_in or refused > max_bad_share * rows_in:
        raise DataError(
            f"{table}: {refused} of {rows_in} rows ({refused / rows_in:.2%}) are bad, at most {max_bad_share:.2%} may "
            f"be. The worst reasons: {describe_reasons(reasons)}. The rows lie in the ingested dataset's quarantine "
            "or break a rule of the dataset.yaml: mend the data, or raise max_bad_share."
        )


def _unordered(dataset: Path) -> int:
    """How many interactions come before their predecessor in time, in the order of the source."""
    count, last = 0, None
    with pq.ParquetFile(dataset / f"{INTERACTIONS}.parquet") as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[TIME]):
            times = batch.column(0).cast(pa.int64()).to_numpy()
            count += int((np.diff(times) < 0).sum()) + int(last is not None and times[0] < last)
            last = times[-1]
    return count
