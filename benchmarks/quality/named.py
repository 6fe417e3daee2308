"""A named benchmark: families and baselines on fixed datasets and protocols, beside published figures.

Each part of it writes one section of docs/benchmarks.md, between its markers.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.command import add_work_arguments, reported
from benchmarks.quality.figures import figures
from benchmarks.quality.fingerprint import ROOT
from benchmarks.quality.protocols import Protocol, Task, prepare
from benchmarks.quality.report import Column, Published, section, write_section
from benchmarks.quality.runs import Entry, Result, Store
from kuberec.errors import ConfigError, KuberecError
from kuberec.training.families import family_names

PAGE = ROOT / "docs" / "benchmarks.md"
SETTINGS = Path(__file__).parent / "settings.yaml"


@dataclass(frozen=True)
class Part:
    """One table.

    Attributes:
        name: Of its section in the page and of its block in `settings.yaml`.
        title: For people.
        folder: The dataset's folder below the data folder.
        protocol: How it is parted and judged.
        columns: What the table shows, the first decides the order.
        references: Baselines that take part.
        published: Figures of others.
        comparison: How far the published figures can be compared, and what else a reader must know.
        redrawn: Whether each seed parts the data anew; else all train on the same split.
    """

    name: str
    title: str
    folder: str
    protocol: Protocol
    columns: Sequence[Column]
    references: Sequence[str]
    published: Sequence[Published] = ()
    comparison: str = ""
    redrawn: bool = False


def main(command: str, description: str, parts: Sequence[Part]) -> None:
    """Measure every part, write its section and print."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in parts]
    parser.add_argument("--data", type=Path, required=True, help="folder that holds a folder for each dataset")
    parser.add_argument("--only", choices=names, action="append", help="one part; may come several times")
    parser.add_argument("--families", default="", help="names, separated by commas; default: every family")
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings (3)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="hyperparameters (settings.yaml)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose sections are written (docs/benchmarks.md)")
    add_work_arguments(parser)
    arguments = parser.parse_args()
    with reported():
        settings = read_settings(arguments.settings)
        store = Store(arguments.work, arguments.keep_older)
        families = [name for name in arguments.families.split(",") if name] or family_names()
        measured = []
        for part in (part for part in parts if part.name in (arguments.only or names)):
            data, draws = arguments.data / part.folder, arguments.seeds if part.redrawn else 1
            tasks = [prepare(data, part.protocol, seed=draw, work=arguments.work) for draw in range(draws)]
            results, refused = compete(store, tasks, part, families, settings.get(part.name) or {}, arguments.seeds)
            found = {"part": part.name, **figures(tasks[0], results, arguments.seeds), "refused": refused}
            text = section(part.title, found, part.columns, part.published, part.comparison, f"{command} DATA=…")
            write_section(arguments.page, part.name, text)
            measured.append(found)
        print(json.dumps({"benchmark": command, "parts": measured}))


def compete(
    store: Store,
    tasks: Sequence[Task],
    part: Part,
    families: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    seeds: int,
) -> tuple[list[list[Result]], dict[str, str]]:
    """The results of every entry, and why a family cannot take part, by its name.

    Args:
        tasks: One for all seeds, or one for each.
    """

    def runs(entry: Entry) -> list[Result]:
        trained = entry.seeds(seeds) if len(tasks) == 1 else range(seeds)
        return [store.get(tasks[seed % len(tasks)], entry, seed) for seed in trained]

    results, refused = [], {}
    for entry in [Entry.family(name, settings.get(name)) for name in families]:
        try:
            results.append(runs(entry))
        except KuberecError as error:
            refused[entry.name] = str(error)
    return results + [runs(Entry.reference(name)) for name in part.references], refused


def read_settings(path: Path) -> dict[str, Any]:
    """The hyperparameters of the named benchmarks: section → family → overrides.

    Raises:
        ConfigError: A section names a family that does not exist.
    """
    settings: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    unknown = sorted({name for families in settings.values() for name in families or {}} - set(family_names()))
    if unknown:
        raise ConfigError(f"{path}: there are no families {unknown}; the families are {', '.join(family_names())}.")
    return settings
