"""Ingest: raw files of any form become typed Parquet tables; what cannot be read goes to quarantine."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_text
from kuberec.dataset import DATASET_FILE, DatasetSpec, Entities, Feature, Interactions, Source, dump_dataset_spec
from kuberec.errors import DataError
from kuberec.parsing import UNPARSED, parse_entities, parse_interactions
from kuberec.progress import progress_bars
from kuberec.quarantine import balance, describe_reasons, open_quarantine
from kuberec.schema import (
    EVENT,
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
from kuberec.sources.batches import Batch, Job, Refused, Wanted
from kuberec.sources.datasets import open_dataset
from kuberec.sources.reader import read_source
from kuberec.tables import connect

FEATURE_TYPES = {
    FeatureType.CATEGORICAL: pa.string(),
    FeatureType.TEXT: pa.string(),
    FeatureType.NUMERIC: pa.float64(),
    FeatureType.MULTI_CATEGORICAL: pa.list_(pa.string()),
    FeatureType.EMBEDDING: pa.list_(pa.float32()),
}
"""How each type of feature is stored."""
MOST_THREADS = 4


@dataclass(frozen=True)
class _Plan:
    """How one table is read: its source, its columns, their meaning, and what is written."""

    name: str
    source: Source
    wanted: Sequence[Wanted]
    expression: Any
    schema: pa.Schema


@dataclass
class _Tally:
    """What became of a table's rows."""

    rows_in: int = 0
    rows_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unparsed: Counter[str] = field(default_factory=Counter)


def ingest(source: str, output: Path | str, *, location: str = "", cache_dir: Path | str | None = None) -> Manifest:
    """Read a dataset's raw files into typed tables.

    Every row of the sources is either written or quarantined with its reason: lines with too few or too many fields,
    broken quotes, bytes that are no text, empty ids, values and times that cannot be read. Memory is bounded whatever
    the size of the files (under 1 GiB of batches in flight); a feature that cannot be read becomes missing and is
    counted in the manifest's `unparsed`, its row stays.

    Args:
        source: `movielens-100k`, `movielens-1m`, or the path or URI of a `dataset.yaml`.
        output: The dataset folder to write.
        location: Folder, zip or URI that holds MovieLens' files; they are downloaded when empty.
        cache_dir: Where downloads are kept; the user's cache folder when absent.

    Returns:
        The manifest; its rows balance per table.

    Raises:
        SourceError: A file is missing, unreachable, broken, empty or lacks a column.
        ConfigError: The `dataset.yaml` has a fault.
        DataError: Not one row of a table can be read.
        ArtifactError: The disk is full.
    """
    with ExitStack() as stack:
        spec, base = stack.enter_context(open_dataset(source, location, cache_dir))
        if spec.licence:
            Console(stderr=True).print(f"Licence of {spec.name}: {spec.licence}", style="yellow", markup=False)
        folder, manifest = stack.enter_context(new_artifact(output, "dataset"))
        backend = stack.enter_context(connect())
        backend.raw_sql("SET GLOBAL TimeZone = 'UTC'")  # for every cursor, not this one only
        backend.raw_sql("SET threads = 1")  # each batch has a thread already
        for plan in _plans(spec):
            tally = _ingest_table(plan, base, folder, backend.con.cursor)
            manifest.rows[plan.name] = balance(tally.rows_in, tally.rows_out, tally.reasons)
            manifest.facts.setdefault("reasons", {})[plan.name] = dict(sorted(tally.reasons.items()))
            manifest.facts.setdefault("unparsed", {})[plan.name] = dict(sorted(tally.unparsed.items()))
        write_text(folder / DATASET_FILE, dump_dataset_spec(spec))
    return read_manifest(output)


def _plans(spec: DatasetSpec) -> Iterator[_Plan]:
    yield _interaction_plan(spec.interactions)
    if spec.users:
        yield _entity_plan(USERS, USER, spec.users)
    if spec.items:
        yield _entity_plan(ITEMS, ITEM, spec.items)


def _interaction_plan(source: Interactions) -> _Plan:
    required = {USER, ITEM, TIME} | set(source.columns)
    wanted = [
        Wanted(name, source.columns.get(name, name), name in required) for name in (USER, ITEM, EVENT, VALUE, TIME)
    ]
    return _Plan(INTERACTIONS, source, wanted, parse_interactions(source), INTERACTION_SCHEMA)


def _entity_plan(name: str, key: str, source: Entities) -> _Plan:
    features = source.features
    wanted = [Wanted(key, source.columns.get(key, key)), *(_wanted(*pair) for pair in features.items())]
    fields = [pa.field(key, pa.string(), nullable=False)]
    fields += [pa.field(feature, FEATURE_TYPES[how.type]) for feature, how in features.items()]
    return _Plan(name, source, wanted, parse_entities(key, features), pa.schema(fields))


def _wanted(name: str, feature: Feature) -> Wanted:
    return Wanted(name, name if feature.column is None else feature.column, separator=feature.separator)


def _ingest_table(plan: _Plan, base: str, folder: Path, new_cursor: Callable[[], Any]) -> _Tally:
    jobs, size = read_source(plan.source, base, plan.wanted)
    query = str(ibis.to_sql(plan.expression, dialect="duckdb"))
    tally = _Tally()

    def convert(job: Job) -> tuple[Job, pa.Table, list[Refused], Counter[str]]:
        batch = job.load()
        with new_cursor() as cursor:
            cursor.register("rows", batch.columns.append_column(ROW, batch.rows))
            return job, *_sort_out(cursor.sql(query).to_arrow_table(), batch, plan.schema)

    with (
        pq.ParquetWriter(folder / f"{plan.name}.parquet", plan.schema, compression="zstd") as writer,
        open_quarantine(folder, plan.name) as quarantine,
        _progress(f"Ingest {plan.name}", size) as advance,
    ):
        for job, good, refused, unparsed in _ordered_map(convert, jobs):
            writer.write_table(good)
            quarantine.add(refused)
            tally.rows_in += job.rows
            tally.rows_out += len(good)
            tally.unparsed += unparsed
            advance(job.stored_bytes)
    tally.reasons = quarantine.reasons
    if not tally.rows_out:
        raise DataError(
            f"None of the {tally.rows_in} rows of {plan.name} can be read: {describe_reasons(tally.reasons)}. "
            "Check the columns, the delimiter and the formats in the dataset.yaml."
        )
    return tally


def _sort_out(parsed: pa.Table, batch: Batch, schema: pa.Schema) -> tuple[pa.Table, list[Refused], Counter[str]]:
    """The readable rows, the refused ones, and how many values of each feature could not be read."""
    reasons = parsed[REASON]
    refused = list(batch.refused)
    if reasons.null_count < len(reasons):
        bad = parsed.filter(pc.is_valid(reasons))
        positions = np.searchsorted(batch.rows.to_numpy(), bad[ROW].to_numpy())
        triples = zip(bad[ROW].to_pylist(), bad[REASON].to_pylist(), positions.tolist(), strict=True)
        refused += [Refused(row, reason, batch.raw(position)) for row, reason, position in triples]
        parsed = parsed.filter(pc.is_null(reasons))
    lost = [name for name in parsed.column_names if name not in {*schema.names, ROW, REASON}]
    counts = {name.removeprefix(UNPARSED): pc.sum(parsed[name]).as_py() or 0 for name in lost}
    unparsed = Counter({name: count for name, count in counts.items() if count})
    return parsed.select(schema.names).cast(schema), refused, unparsed


def _ordered_map(function: Callable[[Job], Any], jobs: Iterable[Job]) -> Iterator[Any]:
    """Results in the order of the jobs, a few of which are in flight at a time."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _progress(title: str, size: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over the stored bytes; yields what sets it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with progress_bars(*columns) as bars:
        task = bars.add_task(title, total=size)
        yield lambda done: bars.update(task, completed=done)
