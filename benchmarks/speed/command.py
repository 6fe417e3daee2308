"""What the commands of the speed benchmarks share: processes for Kuberec and its peers, and the page of results."""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import measure
from benchmarks.quality.report import write_section
from benchmarks.speed.data import FOLDER, SEQUENCES, Positives, movielens_1m, synthetic

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
EMBEDDING_SIZE = 64

Settings = Mapping[str, Any]


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every command takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=psutil.cpu_count(), help="threads of each (all cores)")
    parser.add_argument("--set", type=json.loads, default={}, help="Kuberec's hyperparameters as JSON (defaults)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that gets the section (docs/benchmarks.md)")
    return parser


def add_data(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """The argument that names MovieLens-1M."""
    default = "" if required else " (synthetic positives of its shape)"
    parser.add_argument("--data", type=Path, required=required, help=f"folder with {FOLDER}/{SEQUENCES}{default}")


@contextmanager
def stored(positives: Positives) -> Iterator[Path]:
    """The positives as a file that the processes read."""
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as folder:
        path = Path(folder) / "positives.npz"
        positives.save(path)
        yield path


def movielens_or_synthetic(folder: Path | None) -> tuple[Positives, str]:
    """The positives, and what they are."""
    positives, name = (movielens_1m(folder), "MovieLens-1M") if folder else (synthetic(), "Synthetic")
    return positives, f"{name}: {positives.n_users:,} users, {positives.n_items:,} items, {len(positives):,} positives"


def ours(what: str, path: Path, threads: int, family: str, settings: Settings, *more: str) -> dict[str, Any]:
    """What benchmarks/speed/ours.py prints."""
    chosen = ["--family", family, "--set", json.dumps(settings)]
    return _run([sys.executable, "ours.py", what, "--positives", str(path), "--threads", str(threads), *chosen, *more])


def peer(what: str, path: Path, threads: int, name: str) -> dict[str, Any]:
    """What benchmarks/speed/peers.py prints."""
    if not PEERS_PYTHON.exists():
        sys.exit("The peers are not installed: run make bench-setup.")
    return _run([str(PEERS_PYTHON), "peers.py", what, name, "--positives", str(path), "--threads", str(threads)])


def keras_fit(path: Path, threads: int, batch_size: int) -> dict[str, Any]:
    """What benchmarks/speed/keras_fit.py prints."""
    sizes = ["--batch-size", str(batch_size), "--embedding-size", str(EMBEDDING_SIZE)]
    return _run([sys.executable, "keras_fit.py", "--positives", str(path), "--threads", str(threads), *sizes])


def _run(command: Sequence[str]) -> dict[str, Any]:
    """The object in the last line that a script prints, and the peak memory of its process."""
    python, script, *rest = command
    print(script, *(part for part in rest if "/" not in part), file=sys.stderr)
    measured = measure([python, str(HERE / script), *rest])
    return {**json.loads(measured.output.splitlines()[-1]), "peak_gib": round(measured.peak_gib, 2)}


def finish(page: Path, name: str, title: str, parts: Sequence[str], result: Mapping[str, Any]) -> None:
    """Print the result as the last line, then write a section: a page that refuses it loses no measurement."""
    machine = (
        f"Machine: {platform.machine()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB."
    )
    print(json.dumps({"benchmark": name, **result}))
    write_section(page, name, "\n\n".join([f"## {title}", *parts, machine, f"    make bench-{name}"]))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
