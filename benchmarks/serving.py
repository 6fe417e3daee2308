"""Requests per second and milliseconds of the model server: beside a server as one writes it first, and a bare echo.

    .venv/bin/python benchmarks/serving.py [--items 100000]

A matrix factorization of vectors of 64 is trained for one pass and exported. `naive` serves the same vectors by
`tf.matmul` and `tf.math.top_k` (benchmarks/serving_peers.py); `echo` answers with the bytes of Kuberec's reply. Load
comes from h2load on the same machine, and takes its share of it. The servers take turns; of each figure, the median of
the rounds counts. Answers are compared before. Writes its section of docs/benchmarks.md; the last line is one JSON
object.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.h2load import Load, h2load
from benchmarks.speed.command import PAGE, ROOT, finish, table
from benchmarks.speed.data import wide
from benchmarks.speed.ours import features_of
from kuberec.client import Client, questions
from kuberec.exporting.graph import ServingGraph
from kuberec.exporting.signatures import signatures
from kuberec.retrieval.exact import in_columns
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import load_family
from kuberec.training.fitted import FittedModel
from kuberec.training.trainer import fit

ITEMS, DIMENSION, K = 100_000, 64, 10
USERS_AT_ONCE = 32
MODEL = "recommender"
READY_SECONDS = 120
BATCHING = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 0 }
num_batch_threads { value: 1 }
"""
"""What docs/serving.md recommends: one batch at a time, whose product uses all cores."""


class Shape:
    """One kind of load."""

    def __init__(self, name: str, users: int, connections: int, streams: int, requests: int) -> None:
        self.name, self.users = name, users
        self.load = {"connections": connections, "streams": streams, "requests": requests}


SHAPES = (
    Shape("one after the other", users=1, connections=1, streams=1, requests=2000),
    Shape("64 at a time", users=1, connections=16, streams=4, requests=6000),
    Shape("32 users, 4 at a time", users=USERS_AT_ONCE, connections=4, streams=1, requests=600),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS, help="size of the catalogue (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (%(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that gets the section (docs/benchmarks.md)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as name, ExitStack() as servers:
        folder = Path(name)
        model = _fitted(arguments.items)
        _export(model, folder / "ours" / MODEL / "1")
        _export_naive(model, folder / "naive")
        users = [str(user) for user in model.data.users.ids[1 : USERS_AT_ONCE + 1]]
        started = {
            "kuberec": _kuberec(folder),
            "naive": _peer("naive", folder / "naive"),
        }
        targets = {name: servers.enter_context(server) for name, server in started.items()}
        _compare(targets, users, model)
        for shape in SHAPES:
            reply = folder / f"{shape.users}.reply"
            reply.write_bytes(_ask(targets["kuberec"], _request(users[: shape.users])))
            targets[f"echo {shape.users}"] = servers.enter_context(_peer("echo", reply))
        products = {n: _product(model, n) for n in (1, USERS_AT_ONCE)}
        measured = {shape.name: _measure(shape, targets, users, arguments.rounds) for shape in SHAPES}
    ratios = _ratios(measured)
    result = {"items": arguments.items, "dimension": DIMENSION, "k": K, "measured": measured, "ratios": ratios}
    result |= {"product_ms": products}
    parts = [
        f"The {K} best of {arguments.items:,} items, vectors of {DIMENSION}; load by h2load on the same machine; the "
        f"median of {arguments.rounds} rounds.",
        _table(measured),
        "\n".join(f"- {name}: {ratio}" for name, ratio in ratios.items()),
        f"The product of users and items alone, in this process and without a search, takes {products[1]} ms for one "
        f"user and {products[USERS_AT_ONCE]} ms for {USERS_AT_ONCE}: less is out of reach of an exact answer.",
    ]
    finish(arguments.page, "serving", "Serving", parts, result)


def _fitted(items: int) -> FittedModel:
    """A model of as many users as items; what it learned does not matter here."""
    family = load_family("matrix_factorization")
    features = features_of(wide(items))
    for letter, entities in (("u", features.users), ("i", features.items)):
        entities.ids[1:] = [f"{letter}{n}" for n in range(items)]
    config = parse_config(family.config, {"embedding_size": DIMENSION, "epochs": 1, "patience": None})
    return fit(family, config, features, TrainingRun()).model


def _export(model: FittedModel, folder: Path) -> None:
    graph = ServingGraph(model)
    tf.saved_model.save(graph, str(folder), signatures=signatures(graph))


def _export_naive(model: FittedModel, folder: Path) -> None:
    """The same vectors, searched by a full sort, without anything left out but row 0."""
    module = tf.Module()
    module.users = tf.Variable(model.user_vectors(np.arange(len(model.data.users))))
    module.items = tf.Variable(model.item_vectors[1:])
    ids = tf.constant([str(item) for item in model.data.items.ids[1:]])
    known = tf.constant([str(user) for user in model.data.users.ids])
    rows = tf.lookup.KeyValueTensorInitializer(known, tf.range(len(known)))
    module.rows = tf.lookup.StaticHashTable(rows, default_value=0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)])
    def recommend(user_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        vectors = tf.gather(module.users, module.rows.lookup(user_id))
        scores, best = tf.math.top_k(tf.matmul(vectors, module.items, transpose_b=True), k)
        return {"item_ids": tf.gather(ids, best), "scores": scores}

    tf.saved_model.save(module, str(folder), signatures={"recommend": recommend})


def _request(users: Sequence[str], k: int = K) -> bytes:
    return questions.recommend(MODEL, users, k, None).request


def _compare(targets: Mapping[str, str], users: Sequence[str], model: FittedModel) -> None:
    """Stop if the servers do not answer alike: Kuberec's leaves out what the user took, the naive model does not."""
    taken = int(np.diff(model.data.observed.indptr).max())
    lists = {}
    for name, target in targets.items():
        with Client(target) as client:
            answers = client.recommend_many(MODEL, users, K + taken if name == "naive" else K)
        lists[name] = [answer.item_ids for answer in answers]
    for ours, naive in zip(lists["kuberec"], lists["naive"], strict=True):
        shared = [item for item in naive if item in ours]
        if len(ours) != K or len(shared) < K - 1:  # near ties of the last place may be rounded another way
            raise RuntimeError(f"The servers disagree: {ours} and {naive}.")


def _product(model: FittedModel, users: int, calls: int = 200) -> float:
    """Milliseconds of the product of so many users with all items, which every exact answer begins with: the median."""
    items = tf.Variable(in_columns(model.item_vectors))

    @tf.function(autograph=False)
    def product(asked: tf.Tensor) -> tf.Tensor:
        return tf.matmul(asked, items)[:, :1]

    asked = tf.constant(model.user_vectors(np.arange(1, users + 1)))
    product(asked)
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        product(asked).numpy()
        times.append(time.perf_counter() - start)
    return round(1e3 * statistics.median(times), 3)


def _measure(shape: Shape, targets: Mapping[str, str], users: Sequence[str], rounds: int) -> dict[str, Any]:
    """Medians of the rounds, by server."""
    message = _request(users[: shape.users])
    servers = {name: target for name, target in targets.items() if name[:4] != "echo" or name == f"echo {shape.users}"}
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    for turn in range(rounds):
        for name, target in servers.items():
            print(f"{shape.name}, round {turn + 1} of {rounds}: {name}", file=sys.stderr)
            loads[name].append(h2load(target, questions.PREDICT, message, **shape.load))
    return {name.split(" 1")[0].split(" 32")[0]: _median(shape, found) for name, found in loads.items()}


def _median(shape: Shape, loads: Sequence[Load]) -> dict[str, float]:
    rate = statistics.median(load.rate for load in loads)
    p50, p99 = (1e3 * statistics.median(getattr(load, name) for load in loads) for name in ("p50", "p99"))
    return {
        "requests_per_second": round(rate, 1),
        "users_per_second": round(rate * shape.users, 1),
        "p50_ms": round(p50, 3),
        "p99_ms": round(p99, 3),
    }


def _ratios(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """What the figures come to."""
    single, many, batch = (measured[shape.name] for shape in SHAPES)
    return {
        "p50 over the echo's, one after the other": round(single["kuberec"]["p50_ms"] / single["echo"]["p50_ms"], 2),
        "requests per second over the naive server's, 64 at a time": _over(many, "requests_per_second"),
        "users per second over the naive server's, 32 users a request": _over(batch, "users_per_second"),
    }


def _over(found: Mapping[str, Mapping[str, float]], figure: str) -> float:
    return round(found["kuberec"][figure] / found["naive"][figure], 2)


def _table(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    names = ("requests_per_second", "users_per_second", "p50_ms", "p99_ms")
    rows = [
        [shape, server, *(figures[name] for name in names)]
        for shape, servers in measured.items()
        for server, figures in servers.items()
    ]
    return table(["load", "server", "requests/s", "users/s", "p50 (ms)", "p99 (ms)"], rows)


def _ask(target: str, request: bytes) -> bytes:
    """The reply's bytes."""
    with grpc.insecure_channel(target) as channel:
        reply: bytes = channel.unary_unary(questions.PREDICT)(request, timeout=READY_SECONDS)
    return reply


def _kuberec(folder: Path) -> Any:
    port = _free_port()
    parameters = folder / "batching.config"
    parameters.write_text(BATCHING, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("kuberec")), "serve", "--repository", str(folder / "ours")]
    command += ["--enable_batching", f"--batching_parameters_file={parameters}", "--grpc_max_threads=64"]
    return _running([*command, "--port", str(port)], port)


def _peer(kind: str, path: Path) -> Any:
    port = _free_port()
    script = str(ROOT / "benchmarks" / "serving_peers.py")
    return _running([sys.executable, script, kind, str(path), "--port", str(port)], port)


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[str]:
    """The address of a server process, once it listens."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{' '.join(command)} does not listen on port {port}.")
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
