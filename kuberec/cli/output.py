"""What a verb prints: JSON for machines, a small table for people."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from kuberec.artifacts import Manifest

HASH_LENGTH = 12

Row = Sequence[tuple[str, str]]
"""The cells of a line: text and style."""


def print_json(value: Any) -> None:
    """Print JSON on stdout: sorted keys, two spaces."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str))


def print_manifest(manifest: "Manifest", folder: Path, as_json: bool) -> None:
    """Show what a step wrote."""
    if as_json:
        print_json(asdict(manifest))
        return
    facts = {"rows": manifest.rows, **manifest.facts, "content": manifest.content_hash[:HASH_LENGTH]}
    print_facts(f"{manifest.kind} → {folder}", facts)


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Show named values, nested ones with a dot between the names."""
    print_rows(title, [[(name, "dim"), (value, "")] for name, value in _flat(facts)])


def print_checks(title: str, checks: Iterable[Mapping[str, Any]]) -> None:
    """Show checks with their reasons, failed ones marked."""
    rows: list[Row] = []
    for check in checks:
        mark = ("passed", "green") if check["passed"] else ("FAILED", "bold red")
        rows.append([mark, (check["name"], ""), (check["reason"], "dim")])
    print_rows(title, rows)


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Show rows of (text, style) cells, columns aligned, nothing cut: lines may be copied or piped."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(title, "bold"), soft_wrap=True)
    widths = [max(cell_len(text) for text, _ in column) for column in zip(*rows, strict=True)]
    for row in rows:
        line = Text()
        for (text, style), width in zip(row, widths, strict=True):
            line.append(text, style).append(" " * (width - cell_len(text) + 2))
        line.rstrip()
        console.print(line, soft_wrap=True)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
