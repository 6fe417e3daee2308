"""What a verb prints: JSON for machines, a small table for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from kuberec.artifacts import Manifest

HASH_LENGTH = 12


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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in _flat(facts):
        table.add_row(Text(name, "dim"), Text(value))
    console = Console()
    console.print(Text(title, "bold"))
    console.print(table)


def print_checks(title: str, checks: list[dict[str, Any]]) -> None:
    """Show checks with their reasons, failed ones marked."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark = Text("passed", "green") if check["passed"] else Text("FAILED", "bold red")
        table.add_row(mark, Text(check["name"]), Text(check["reason"], "dim"))
    console = Console()
    console.print(Text(title, "bold"))
    console.print(table)


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
