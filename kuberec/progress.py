"""Progress of steps whose work is one query after another: a spinner with the phase, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def phases(step: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr which phase of a step runs; nothing where stderr is no terminal.

    Yields:
        A function that takes what the step does now, such as `writing train`.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda phase: None
        return
    with console.status(step) as status:
        yield lambda phase: status.update(f"{step}: {phase}")
