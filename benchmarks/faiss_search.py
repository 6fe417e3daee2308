"""FAISS beside benchmarks/retrieval.py, in a process of .venv-bench; the last line is one JSON object.

    .venv-bench/bin/python benchmarks/faiss_search.py --data FOLDER --clusters 2000 --least-recall 0.98

FOLDER holds vectors.npy `[n, dimension]` and queries.npy `[B, dimension]`, both float32. The flat index scores every
item; the inverted file has as many clusters as Kuberec's, and searches the fewest of them that reach the recall.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import faiss  # type: ignore[import-not-found]
import numpy as np

K = 10
BATCHES = (1, 32)
PROBES = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of vectors.npy and queries.npy")
    parser.add_argument("--clusters", type=int, required=True)
    parser.add_argument("--least-recall", type=float, required=True)
    parser.add_argument("--rounds", type=int, default=50, help="calls of each way (%(default)s)")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    vectors, queries = (np.load(arguments.data / f"{name}.npy") for name in ("vectors", "queries"))
    dimension = vectors.shape[1]
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    centroids = faiss.IndexFlatIP(dimension)
    inverted = faiss.IndexIVFFlat(centroids, dimension, arguments.clusters, faiss.METRIC_INNER_PRODUCT)
    start = time.perf_counter()
    inverted.train(vectors)
    inverted.add(vectors)
    seconds = round(time.perf_counter() - start, 1)
    recall = _search_least(inverted, queries, flat.search(queries, K)[1], arguments.least_recall)
    found = {
        "flat": {f"B={batch}": _milliseconds(flat, queries[:batch], arguments.rounds) for batch in BATCHES},
        "ivf": {f"B={batch}": _milliseconds(inverted, queries[:batch], arguments.rounds) for batch in BATCHES},
    }
    facts = {"version": faiss.__version__, "nprobe": inverted.nprobe, "recall": recall, "seconds": seconds}
    print(json.dumps({**facts, "milliseconds": found}))


def _search_least(index: Any, queries: Any, exact: Any, least_recall: float) -> float:
    """Set the least number of clusters to search, and give the recall it reaches."""
    recall = 0.0
    for index.nprobe in PROBES:
        found = index.search(queries, K)[1]
        recall = float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, exact, strict=True)]))
        if recall >= least_recall:
            break
    return round(recall, 4)


def _milliseconds(index: Any, queries: Any, rounds: int) -> float:
    """The median call; the first does not count."""
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        index.search(queries, K)
        taken.append(time.perf_counter() - start)
    return round(float(np.median(taken[1:])) * 1000, 3)


if __name__ == "__main__":
    main()
