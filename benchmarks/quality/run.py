"""One family, and baselines beside it, on one dataset by one protocol.

    .venv/bin/python benchmarks/quality/run.py --dataset DIR --protocol P --family F [--set name=value …]

The protocols are in benchmarks/quality/protocols.py, the forms of data in benchmarks/quality/formats.py. The last line
is one JSON object; results are kept in var/benchmarks and made again only where data, hyperparameters or code differ.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.command import add_task_arguments, parse_overrides, prepared, reported
from benchmarks.quality.figures import figures
from benchmarks.quality.runs import Entry, Store


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_arguments(parser)
    parser.add_argument("--family", action="append", default=[], help="a folder of models/; may come several times")
    parser.add_argument("--set", nargs="+", default=[], metavar="name=value", help="hyperparameters of the families")
    parser.add_argument(
        "--baselines", default="", help="names, separated by commas; popularity and random give paired leads"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings (3)")
    arguments = parser.parse_args()
    with reported():
        overrides = parse_overrides(arguments.set)
        entries = [Entry.family(name, overrides) for name in arguments.family]
        entries += [Entry.reference(name) for name in arguments.baselines.split(",") if name]
        task = prepared(arguments)
        results = list(Store(arguments.work, arguments.keep_older).results(task, entries, arguments.seeds))
        print(json.dumps(figures(task, results, arguments.seeds)))


if __name__ == "__main__":
    main()
