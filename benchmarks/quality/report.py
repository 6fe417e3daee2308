"""Sections of a page in Markdown: ours beside published figures, with all that is needed to repeat them."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kuberec.errors import ConfigError

WIDTH = 120
NAMES = {"hr": "HR", "ndcg": "nDCG", "recall": "Recall", "mrr": "MRR", "map": "MAP"}


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        view: The view that it shows.
        metric: Such as `ndcg@10`.
        lead_over: A reference; then it shows the paired lead over that in place of the metric itself.
    """

    view: str
    metric: str
    lead_over: str = ""

    @property
    def heading(self) -> str:
        """What stands above it."""
        name, _, k = self.metric.partition("@")
        return f"{NAMES[name]}@{k}, {self.view}" + (f", lead over {self.lead_over}" if self.lead_over else "")

    def of(self, entry: Mapping[str, Any]) -> Mapping[str, float] | None:
        """An entry's figure, None where it has none: a reference has no lead over itself."""
        views = entry["leads"].get(self.lead_over, {}) if self.lead_over else entry["views"]
        found: Mapping[str, float] | None = views.get(self.view, {}).get(self.metric)
        return found


@dataclass(frozen=True)
class Published:
    """A figure of others.

    Attributes:
        name: The recommender.
        source: Where it was read; says so where it was not.
        figures: By `view metric`, as `full ndcg@10`.
    """

    name: str
    source: str
    figures: Mapping[str, float]


def section(
    title: str,
    found: Mapping[str, Any],
    columns: Sequence[Column],
    published: Sequence[Published],
    comparison: str,
    command: str,
) -> str:
    """The Markdown of one benchmark, from what `figures` gives."""
    parts = [
        f"## {title}",
        _paragraph(_protocol(found)),
        _paragraph(comparison),
        _table(found, columns, published),
        _paragraph(_how_to_read(found)),
        *(_paragraph(f"{name} took no part: {reason}") for name, reason in found["refused"].items()),
        "Hyperparameters, in full:",
        "\n".join(_hyperparameters(entry) for entry in found["entries"]),
        "Published figures:" if published else "",
        "\n".join(_paragraph(f"- {each.name}: {each.source}", "  ") for each in published),
        f"    make {command}",
    ]
    return "\n\n".join(part for part in parts if part)


def write_section(page: Path, name: str, text: str) -> None:
    """Put a section between its markers in a page.

    Raises:
        ConfigError: The page does not exist, or has no such markers, once each.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    if old.count(begin) != 1 or old.count(end) != 1:
        raise ConfigError(f"{page} needs the lines {begin} and {end}, once each; the section goes between them.")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", old), encoding="utf-8")


def _protocol(found: Mapping[str, Any]) -> str:
    facts = found["facts"]
    rows = ", ".join(f"{count:,} {name}" for name, count in facts["rows"].items())
    views = "; ".join(
        f"{name}: {view['description']}, {view['users']:,} users" for name, view in facts["views"].items()
    )
    return (
        f"Dataset `{found['dataset']}`: {facts['users']:,} users, {facts['items']:,} items; rows: {rows}. "
        f"Protocol `{found['protocol']}`. {views}."
    )


def _how_to_read(found: Mapping[str, Any]) -> str:
    bootstrap = found["bootstrap"]
    machines = "; ".join(sorted({machine for entry in found["entries"] for machine in entry["machines"]}))
    return (
        f"In brackets: {bootstrap['confidence']:.0%} bootstrap intervals over users, {bootstrap['resamples']:,} "
        f"resamples. ±: standard deviation over {found['seeds']} training seeds, where chance plays a part. Seconds: "
        f"wall-clock time of one training with the choice of the number of passes; for a baseline, with the choice of "
        f"its hyperparameters. Passes: as chosen, by seed. Machine: {machines}."
    )


def _table(found: Mapping[str, Any], columns: Sequence[Column], published: Sequence[Published]) -> str:
    head = ["recommender", *(column.heading for column in columns), "seconds", "passes"]
    entries = sorted(found["entries"], key=lambda entry: -entry["views"][columns[0].view][columns[0].metric]["mean"])
    rows = [_row(entry, columns) for entry in entries] + [_published_row(each, columns) for each in published]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _published_row(each: Published, columns: Sequence[Column]) -> list[str]:
    values = [None if column.lead_over else each.figures.get(f"{column.view} {column.metric}") for column in columns]
    return [f"*{each.name}, published*", *("" if value is None else f"{value:.4f}" for value in values), "", ""]


def _row(entry: Mapping[str, Any], columns: Sequence[Column]) -> list[str]:
    passes = ", ".join(str(count) for count in entry["epochs"] if count is not None)
    name = f"{entry['name']} (baseline)" if entry["role"] == "baseline" else f"**{entry['name']}**"
    cells = [_cell(column.of(entry), bool(column.lead_over)) for column in columns]
    return [name, *cells, f"{float(np.mean(entry['seconds'])):.1f}", passes]


def _cell(figure: Mapping[str, float] | None, signed: bool) -> str:
    if figure is None:
        return ""
    form = "{:+.4f}" if signed else "{:.4f}"
    mean, low, high = (form.format(figure[name]) for name in ("mean", "low", "high"))
    spread = f" ± {figure['deviation']:.4f}" if "deviation" in figure else ""
    return f"{mean}{spread} [{low}, {high}]"


def _hyperparameters(entry: Mapping[str, Any]) -> str:
    values = ", ".join(f"{name} {value}" for name, value in entry["hyperparameters"].items()) or "none"
    return _paragraph(f"- {entry['name']}: {values}", "  ")


def _paragraph(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
