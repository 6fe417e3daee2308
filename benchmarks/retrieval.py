"""Milliseconds of the ten best of a large catalogue: in two stages, by a full sort, by the index, and by FAISS.

    .venv/bin/python benchmarks/retrieval.py [--items 1000000]

The exact answer is timed beside `tf.math.top_k` over all scores, with the items as rows (what is usually written) and
as columns (what an export holds), for one query and for 32, and must be the same to the bit as the full sort of the
same scores. The product of queries and items, without any search, is what no exact way can be faster than. The index
is built as an export builds it: of vectors around centres, where it must find enough, and of vectors without
structure, where it must be refused. Each call is a compiled graph in this process; the ways take turns, and the median
counts. FAISS searches the same vectors in a process of its own; it is a library and no part of a SavedModel. Writes
its section of docs/benchmarks.md; the last line is one JSON object.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from psutil import cpu_count

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import measure
from benchmarks.speed.command import PAGE, PEERS_PYTHON, finish, table
from kuberec.retrieval.choice import IndexSettings, choose
from kuberec.retrieval.exact import in_columns, top_k, without
from kuberec.retrieval.ivf import InvertedFile

ITEMS, DIMENSION, K = 1_000_000, 64, 10
BATCHES = (1, 32)
SPREAD = 0.35
LEAST_RECALL = 0.98
QUERIES = 256

Array = npt.NDArray[Any]
Search = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS, help="size of the catalogue (%(default)s)")
    parser.add_argument("--rounds", type=int, default=50, help="calls of each way (%(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that gets the section (docs/benchmarks.md)")
    arguments = parser.parse_args()
    if not PEERS_PYTHON.exists():
        sys.exit("FAISS is not installed: run make bench-setup.")
    rng = np.random.default_rng(0)
    settings = IndexSettings(least_items=1, least_recall=LEAST_RECALL, queries=QUERIES)
    clustered, queries = _clustered(rng, arguments.items)
    exact = {f"B={batch}": _exact(clustered, queries[:batch], arguments.rounds) for batch in BATCHES}
    index = _indexed(clustered, queries, settings, arguments.rounds)
    faiss = _faiss(clustered[1:], queries, arguments.rounds)
    refused = _refused(rng, arguments.items, settings)
    result = {"items": arguments.items, "dimension": DIMENSION, "k": K}
    result |= {"exact": exact, "index": index, "structureless": refused, "faiss": faiss}
    same = all(found["identical"] for found in exact.values())
    parts = [
        f"The {K} best of {arguments.items:,} vectors of length {DIMENSION} around centres, for one query and for "
        f"{BATCHES[1]}; milliseconds, the median of {arguments.rounds} calls.",
        _times(exact, index, faiss),
        f"Two stages give what a full sort of the same scores gives: {same}. Of the clusters, our index searches "
        f"{index['nprobe']} (recall@{K} {index['recall']:.4f}, built in {index['seconds']} s), that of FAISS "
        f"{faiss['nprobe']} (recall@{K} {faiss['recall']:.4f}, built in {faiss['seconds']} s). Vectors without "
        f"structure: {refused['reason']}.",
    ]
    finish(arguments.page, "retrieval", "Retrieval", parts, result)


def _times(exact: Mapping[str, Any], index: Mapping[str, Any], faiss: Mapping[str, Any]) -> str:
    """A table of milliseconds by way and batch."""
    taken = {
        "full sort, items as rows": {batch: found["milliseconds"]["rows"] for batch, found in exact.items()},
        "full sort, items as columns": {batch: found["milliseconds"]["columns"] for batch, found in exact.items()},
        "the product alone, no sort": {batch: found["milliseconds"]["product"] for batch, found in exact.items()},
        "**two stages**": {batch: found["milliseconds"]["two_stages"] for batch, found in exact.items()},
        "**index**": {batch: index.get(batch, {}).get("milliseconds", {}).get("index", "") for batch in exact},
        "FAISS, every item": faiss["milliseconds"]["flat"],
        "FAISS, inverted file": faiss["milliseconds"]["ivf"],
    }
    return table(["", *exact], [[way, *(times[batch] for batch in exact)] for way, times in taken.items()])


def _exact(vectors: Array, queries: Array, rounds: int) -> dict[str, Any]:
    rows, columns = tf.Variable(vectors), tf.Variable(in_columns(vectors))

    @_graph
    def sorted_rows(asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(tf.math.top_k(tf.matmul(asked, rows, transpose_b=True), K))

    @_graph
    def sorted_columns(asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(tf.math.top_k(_scores(asked, columns, len(vectors)), K))

    @_graph
    def product(asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scores = tf.matmul(asked, columns)
        return scores, scores[:, :1]

    ways = {"rows": sorted_rows, "columns": sorted_columns, "two_stages": _two_stages(columns, len(vectors))}
    taken = _milliseconds(ways | {"product": product}, queries, rounds)
    found = {name: [part.numpy() for part in way(tf.constant(queries))] for name, way in ways.items()}
    pairs = zip(found["two_stages"], found["columns"], strict=True)
    return {
        "milliseconds": taken,
        "speed_of_rows": round(taken["rows"] / taken["two_stages"], 2),
        "speed_of_columns": round(taken["columns"] / taken["two_stages"], 2),
        "identical": all(np.array_equal(ours, theirs) for ours, theirs in pairs),
        # The products of another layout are rounded in another order, so that near ties may change places.
        "same_ranks_as_rows": float((found["two_stages"][1] == found["rows"][1]).mean()),
    }


def _indexed(vectors: Array, queries: Array, settings: IndexSettings, rounds: int) -> dict[str, Any]:
    print("building the index …", file=sys.stderr)
    start = time.perf_counter()
    choice, index = choose(vectors, queries, settings)
    built = {"recall": choice.recall, "tried": choice.tried, "clusters": choice.clusters, "nprobe": choice.nprobe}
    result: dict[str, Any] = {"method": choice.method, "seconds": round(time.perf_counter() - start, 1), **built}
    if index is None:
        return result
    ways = {"exact": _two_stages(tf.Variable(in_columns(vectors)), len(vectors)), "index": _by_index(index)}
    for batch in BATCHES:
        taken = _milliseconds(ways, queries[:batch], rounds)
        result[f"B={batch}"] = {"milliseconds": taken, "speed_of_exact": round(taken["exact"] / taken["index"], 2)}
    return result


def _refused(rng: np.random.Generator, items: int, settings: IndexSettings) -> dict[str, Any]:
    print("building the index of vectors without structure …", file=sys.stderr)
    vectors = _with_nothing(rng.standard_normal((items, DIMENSION), dtype=np.float32))
    choice, _ = choose(vectors, rng.standard_normal((QUERIES, DIMENSION), dtype=np.float32), settings)
    return {"method": choice.method, "tried": choice.tried, "reason": choice.reason}


def _faiss(vectors: Array, queries: Array, rounds: int) -> dict[str, Any]:
    """What benchmarks/faiss_search.py prints."""
    print("FAISS …", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as folder:
        np.save(Path(folder) / "vectors.npy", vectors)
        np.save(Path(folder) / "queries.npy", queries)
        script = str(Path(__file__).with_name("faiss_search.py"))
        numbers = {
            "--clusters": _clusters(len(vectors)),
            "--least-recall": LEAST_RECALL,
            "--rounds": rounds,
            "--threads": cpu_count(),
        }
        typed = [part for name, value in numbers.items() for part in (name, str(value))]
        done = measure([str(PEERS_PYTHON), script, "--data", folder, *typed])
    return dict(json.loads(done.output.splitlines()[-1]))


def _two_stages(columns: tf.Variable, n: int) -> Search:
    @_graph
    def two_stages(asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return top_k(tf.matmul(asked, columns), tf.constant(K), tf.zeros([tf.shape(asked)[0], 0], tf.int32), n)

    return two_stages


def _by_index(index: InvertedFile) -> Search:
    @_graph
    def by_index(asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        nothing = tf.zeros([tf.shape(asked)[0], 0], tf.int32)
        return index.top_k(asked, index.probes(asked), tf.constant(K), nothing)

    return by_index


def _scores(asked: tf.Tensor, columns: tf.Variable, n: int) -> tf.Tensor:
    """All scores, without row 0 and the columns that are no items."""
    nobodys = np.r_[0, n : columns.shape[1]].astype(np.int32)
    return without(tf.matmul(asked, columns), tf.broadcast_to(nobodys, [tf.shape(asked)[0], len(nobodys)]))


def _graph(function: Search) -> Search:
    compiled: Search = tf.function(function, input_signature=[tf.TensorSpec([None, DIMENSION])], autograph=False)
    return compiled


def _milliseconds(ways: Mapping[str, Search], queries: Array, rounds: int) -> dict[str, float]:
    """The median call of each; the first, which traces, does not count."""
    asked = tf.constant(queries)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way(asked)[1].numpy()
            taken[name].append(time.perf_counter() - start)
    return {name: round(float(np.median(times[1:])) * 1000, 3) for name, times in taken.items()}


def _clustered(rng: np.random.Generator, items: int) -> tuple[Array, Array]:
    """Items around as many centres as the index has clusters, and queries around these centres that are no items."""
    centres = rng.standard_normal((_clusters(items), DIMENSION), dtype=np.float32)

    def around(rows: int) -> Array:
        noise = rng.standard_normal((rows, DIMENSION), dtype=np.float32)
        return np.asarray(centres[rng.integers(0, len(centres), rows)] + SPREAD * noise)

    return _with_nothing(around(items)), around(QUERIES)


def _clusters(items: int) -> int:
    """As many as an export makes."""
    return round(2 * math.sqrt(items))


def _with_nothing(vectors: Array) -> Array:
    """The vectors below a row 0 that is no item."""
    return np.concatenate([np.zeros_like(vectors[:1]), vectors])


if __name__ == "__main__":
    main()
