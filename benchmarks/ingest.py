"""Raw events to model-ready features, Kuberec beside pandas: rows per second and peak memory.

    .venv/bin/python benchmarks/ingest.py [--rows 20000000]

Both read the same CSV of synthetic events (a tenth as many users as rows, up to 500,000; 50,000 items of skewed
popularity), refuse what breaks a rule, drop exact duplicates, sort by time, cut train, validation and test by time,
build the vocabularies on the first two and write index arrays as Parquet. Kuberec also keeps a quarantine, statistics,
a report and manifests; pandas holds everything in memory. Each runs in a process of its own. The last line is one JSON
object.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from measure import measure  # type: ignore[import-not-found]  # beside this script
from pyarrow import csv

ROWS = 20_000_000
CHUNK = 1_000_000
MOST_USERS, ITEMS = 500_000, 50_000
FIRST_TIME, SPAN = 1_600_000_000, 100_000_000
EVENTS = np.array(["view", "cart", "purchase"])
MOST_GIB = 4.0
COLUMNS = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("event_type", pa.string()),
        ("value", pa.float64()),
        ("timestamp", pa.int64()),
    ]
)
DATASET = """\
name: synthetic
interactions:
  path: events.csv
  value_range: [1, 5]
positive: {min_value: 4}
"""


def write_events(path: Path, rows: int) -> None:
    """Write synthetic events as CSV, a million at a time; the same rows for the same number."""
    rng = np.random.default_rng(0)
    users = min(MOST_USERS, max(10, rows // 10))
    options = csv.WriteOptions(quoting_style="none")
    with csv.CSVWriter(path, COLUMNS, write_options=options) as writer:
        for start in range(0, rows, CHUNK):
            size = min(CHUNK, rows - start)
            columns = [
                _ids("u", rng.integers(0, users, size)),
                _ids("i", (ITEMS * rng.random(size) ** 3).astype(np.int64)),
                pa.array(EVENTS[rng.integers(0, len(EVENTS), size)]),
                pa.array(rng.integers(1, 6, size).astype(np.float64)),
                pa.array(FIRST_TIME + rng.integers(0, SPAN, size)),
            ]
            writer.write_table(pa.table(columns, schema=COLUMNS))


def _ids(prefix: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(np.char.add(prefix, numbers.astype(str)))


def run_kuberec(folder: Path) -> dict[str, float]:
    """Ingest, validate, split and featurize; seconds of each step."""
    from kuberec.featurize import featurize
    from kuberec.ingest import ingest
    from kuberec.split import split
    from kuberec.validate import validate

    out = folder / "kuberec"
    steps: dict[str, Any] = {
        "ingest": lambda: ingest(str(folder / "dataset.yaml"), out / "dataset"),
        "validate": lambda: validate(out / "dataset", out / "validated"),
        "split": lambda: split(out / "validated", out / "split"),
        "featurize": lambda: featurize(out / "split", out / "features"),
    }
    seconds = {}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        seconds[name] = round(time.perf_counter() - start, 2)
    return seconds


def run_pandas(folder: Path) -> dict[str, float]:
    """The same with pandas, in memory; seconds in all."""
    start = time.perf_counter()
    frame = pd.read_csv(folder / "events.csv", dtype={"user_id": str, "item_id": str, "event_type": str})
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
    frame = frame[frame["value"].between(1, 5) & frame["user_id"].notna() & frame["item_id"].notna()]
    frame = frame.drop_duplicates()
    frame = frame.sort_values(["timestamp", "user_id", "item_id"], kind="stable")
    frame["label"] = frame["value"] >= 4
    cuts = frame["timestamp"].quantile([0.8, 0.9]).to_list()
    parts = {
        "train": frame[frame["timestamp"] < cuts[0]],
        "validation": frame[(frame["timestamp"] >= cuts[0]) & (frame["timestamp"] < cuts[1])],
        "test": frame[frame["timestamp"] >= cuts[1]],
    }
    known = pd.concat([parts["train"], parts["validation"]])
    vocabularies = {key: pd.Index(np.sort(known[key].unique())) for key in ("user_id", "item_id")}
    parts["test"].to_parquet(folder / "test.parquet")
    for name in ("train", "validation"):
        part = parts[name]
        encoded = pd.DataFrame(
            {
                "user_index": vocabularies["user_id"].get_indexer(part["user_id"]).astype(np.int32) + 1,
                "item_index": vocabularies["item_id"].get_indexer(part["item_id"]).astype(np.int32) + 1,
                "value": part["value"].astype(np.float32).to_numpy(),
                "timestamp": part["timestamp"].astype("int64").to_numpy() // 1000,
                "label": part["label"].to_numpy(),
            }
        )
        encoded.sort_values(["user_index", "timestamp", "item_index"]).to_parquet(folder / f"{name}.parquet")
    return {"all": round(time.perf_counter() - start, 2)}


ENGINES = {"kuberec": run_kuberec, "pandas": run_pandas}


def main() -> None:
    """Measure both engines and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="events to make (default: %(default)s)")
    parser.add_argument("--engine", choices=sorted(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        print(json.dumps(ENGINES[arguments.engine](arguments.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as temporary:
        folder = Path(temporary)
        write_events(folder / "events.csv", arguments.rows)
        (folder / "dataset.yaml").write_text(DATASET, encoding="utf-8")
        result: dict[str, Any] = {
            "benchmark": "ingest",
            "rows": arguments.rows,
            "csv_mib": round((folder / "events.csv").stat().st_size / 2**20, 1),
        }
        for engine in ENGINES:
            print(f"{engine} …", file=sys.stderr)
            result[engine] = _measure(engine, folder, arguments.rows)
    result["within_memory"] = result["kuberec"]["peak_gib"] < MOST_GIB
    result["speed_of_pandas"] = round(result["kuberec"]["rows_per_second"] / result["pandas"]["rows_per_second"], 2)
    print(json.dumps(result))


def _measure(engine: str, folder: Path, rows: int) -> dict[str, Any]:
    measured = measure([sys.executable, __file__, "--engine", engine, "--folder", str(folder)])
    return {
        "seconds": round(measured.seconds, 2),
        "cpu_seconds": round(measured.cpu_seconds, 2),
        "rows_per_second": round(rows / measured.seconds),
        "peak_gib": round(measured.peak_gib, 3),
        "steps": json.loads(measured.output.splitlines()[-1]),
    }


if __name__ == "__main__":
    main()
