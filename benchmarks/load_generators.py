"""Measures a server with `loadtest/` and with ghz, an independent load generator, at the same rate.

    PYTHONPATH=. .venv/bin/python benchmarks/load_generators.py [--rate 50] [--seconds 30] [--rounds 3] [--ghz PATH]
    PYTHONPATH=. .venv/bin/python benchmarks/load_generators.py --target localhost:8500 --model films --user-ids u.txt

Both send the same bytes, one `recommend` of the most active user, over one connection at equal distances. They take
turns, so that what else the machine does falls on both; each figure is the median over the rounds. The last line is one
JSON object.
"""

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import yaml
from google.protobuf import descriptor_pb2

from kuberec.client import questions
from kuberec.loadtest.traffic import read_ids
from loadtest.running import run_locust

PERCENTILES = ("p50", "p90", "p95", "p99")
ANY = ".tensorflow.serving.Any"
IN_FLIGHT = 50
WARM_UP_REQUESTS = 50
TIMEOUT_SECONDS = 5
K = 10
NO_LIMITS = {"lateness_p99_ms": 1e6, "default": {"latency_ms": {}, "error_rate": 1, "throughput": 0}}

Measured = Mapping[str, float]


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="kuberec-loadtest-") as folder, subject(arguments) as (target, model, user):
        work = Path(folder)
        rounds: dict[str, list[Measured]] = {"kuberec": [], "ghz": []}
        for number in range(arguments.rounds):
            print(f"Round {number + 1} of {arguments.rounds}", file=sys.stderr)
            rounds["kuberec"].append(measure_ours(work, target, model, user, arguments.rate, arguments.seconds))
            rounds["ghz"].append(measure_ghz(work, target, model, user, arguments))
    figures = {name: middle(each) for name, each in rounds.items()}
    ratios = {name: round(value / figures["ghz"][name], 3) for name, value in figures["kuberec"].items()}
    show(figures, ratios)
    conditions = {"rate": arguments.rate, "seconds": arguments.seconds, "rounds": arguments.rounds}
    machine = {"machine": platform.machine(), "cores": psutil.cpu_count()}
    print(json.dumps({"benchmark": "loadtest", **conditions, **machine, **figures, "ratio": ratios, "each": rounds}))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=50, help="requests a second (50)")
    parser.add_argument("--seconds", type=int, default=30, help="of each measurement (30)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements with each generator (3)")
    parser.add_argument("--ghz", default="ghz", help="path of ghz (the one on the path)")
    parser.add_argument("--target", default="", help="the server; empty for one that is started here")
    parser.add_argument("--model", default="recommender", help="name of the target's model")
    parser.add_argument("--user-ids", type=Path, help="file with the target's users, one a line")
    arguments = parser.parse_args()
    if not shutil.which(arguments.ghz):
        sys.exit(
            f"{arguments.ghz} is not there: run go install github.com/bojand/ghz/cmd/ghz@latest, or name it: --ghz"
        )
    if arguments.target and not arguments.user_ids:
        sys.exit("--target needs --user-ids, the ids that its model knows")
    return arguments


@contextmanager
def subject(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """The address of a server, the name of a model there, and a user whom it knows."""
    if arguments.target:
        yield arguments.target, arguments.model, read_ids(arguments.user_ids)[0]
        return
    from loadtest.local import served, small_model

    small = small_model(Path("var/loadtest"))
    with served(small) as (target, _):
        yield target, small.model, read_ids(small.user_ids)[0]


def measure_ours(work: Path, target: str, model: str, user: str, rate: int, seconds: int) -> Measured:
    """Play the scenario of one request that repeats."""
    scenario = {
        "description": "One request at equal distances.",
        "phases": [{"seconds": seconds, "rate": rate}],
        "arrivals": "even",
        "users": {"zipf": 0, "cold": 0},
        "signatures": {"recommend": 1},
        "k": K,
        "timeout_seconds": TIMEOUT_SECONDS,
    }
    (work / "even.yaml").write_text(yaml.safe_dump(scenario), encoding="utf-8")
    (work / "slo.yaml").write_text(yaml.safe_dump(NO_LIMITS), encoding="utf-8")
    (work / "ids.txt").write_text(user, encoding="utf-8")
    options = [
        "--host",
        target,
        "--model",
        model,
        "--scenario",
        str(work / "even.yaml"),
        "--slo",
        str(work / "slo.yaml"),
    ]
    options += ["--user-ids", str(work / "ids.txt"), "--item-ids", str(work / "ids.txt")]
    if run_locust(options, work):
        sys.exit("The load test did not play to its end.")
    figures = json.loads((work / "even.json").read_text(encoding="utf-8"))["figures"]
    latency = {name: figures["latency_ms"][name] for name in PERCENTILES}
    return {"rate": figures["throughput"], **latency, "errors": sum(figures["errors"].values())}


def measure_ghz(work: Path, target: str, model: str, user: str, arguments: argparse.Namespace) -> Measured:
    """Send the same bytes with ghz."""
    message, services, output = work / "request.bin", work / "services.protoset", work / "ghz.json"
    message.write_bytes(questions.recommend(model, [user], K, None).request)
    services.write_bytes(describe_services())
    count = arguments.rate * arguments.seconds + WARM_UP_REQUESTS
    command = [arguments.ghz, "--insecure", "--protoset", str(services), "--binary-file", str(message)]
    command += ["--call", "tensorflow.serving.PredictionService/Predict", "--rps", str(arguments.rate)]
    command += ["--total", str(count), "--skipFirst", str(WARM_UP_REQUESTS), "--concurrency", str(IN_FLIGHT)]
    command += ["--timeout", f"{TIMEOUT_SECONDS}s", "--format", "json", "--output", str(output), target]
    subprocess.run(command, check=True, stdout=sys.stderr)
    result = json.loads(output.read_text(encoding="utf-8"))
    latencies = sorted(each["latency"] / 1e6 for each in result["details"])
    percentiles = {name: rank(latencies, float(name[1:])) for name in PERCENTILES}
    errors = sum(each["status"] != "OK" for each in result["details"])
    # Its own rate leaves out the requests that were skipped, but not their time.
    rate = (len(latencies) + WARM_UP_REQUESTS) / (result["total"] / 1e9)
    return {"rate": rate, **percentiles, "errors": errors}


def describe_services() -> bytes:
    """What ghz wants to know of the service; to it a message is a row of bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="services.proto", package="tensorflow.serving", syntax="proto3")
    file.message_type.add(name="Any")
    file.service.add(name="PredictionService").method.add(name="Predict", input_type=ANY, output_type=ANY)
    return bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())


def rank(ordered: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed, as HDR histograms count it."""
    return ordered[max(0, int(percent / 100 * len(ordered) + 0.5) - 1)]


def middle(rounds: Sequence[Measured]) -> dict[str, float]:
    """The median of each figure but the errors, which are told if there are any."""
    if errors := sum(each["errors"] for each in rounds):
        sys.exit(f"{errors} requests failed: what was measured is not what is to be compared.")
    return {name: statistics.median(each[name] for each in rounds) for name in ("rate", *PERCENTILES)}


def show(figures: Mapping[str, Measured], ratios: Measured) -> None:
    """A table for people."""
    print(f"{'':<22}{'kuberec':>10}{'ghz':>10}{'ratio':>8}")
    for name, ratio in ratios.items():
        unit = "answers a second" if name == "rate" else f"latency {name}, ms"
        print(f"{unit:<22}{figures['kuberec'][name]:>10.3f}{figures['ghz'][name]:>10.3f}{ratio:>8.3f}")


if __name__ == "__main__":
    main()
