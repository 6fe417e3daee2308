"""Progress of steps on stderr: bars for work that can be counted, a spinner for one query after another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn


@contextmanager
def progress_bars(*columns: ProgressColumn) -> Iterator[Progress]:
    """Show bars with the given columns, rich's own where there are none; disabled in a log.

    On a terminal they go when they are done. A notebook keeps them: to take one away there leaves a blank.
    """
    console = Console(stderr=True)
    notebook = console.is_jupyter
    disable = not (console.is_terminal or notebook)
    with Progress(*columns, console=console, transient=not notebook, disable=disable) as bars:
        yield bars
        bars.refresh()  # rich itself leaves a notebook's bars as they were a tenth of a second before


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
