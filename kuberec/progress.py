"""Progress of steps: where it can be shown, and a spinner for work that is one query after another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


def is_live(console: Console) -> bool:
    """Whether a console draws again what it has shown: a terminal does, and a notebook."""
    return console.is_terminal or console.is_jupyter


@contextmanager
def phases(step: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr which phase of a step runs; nothing in a log.

    Yields:
        A function that takes what the step does now, such as `writing train`.
    """
    console = Console(stderr=True)
    if not is_live(console):
        yield lambda phase: None
        return
    with console.status(step) as status:
        yield lambda phase: status.update(f"{step}: {phase}")
