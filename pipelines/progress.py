"""What a person sees of a run: one line a step, with its time; and the log, where everything else goes."""

import io
import re
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

ANSI = re.compile(r"\x1b\[[0-9;]*m")
WORTH_SHOWING = re.compile(r"\s*[A-Za-z0-9](?!.* - INFO - )")
TAIL = 400
"""Lines kept to find the reason of a failure."""


class Display:
    """Shows steps as they run: live on a terminal, plain lines elsewhere.

    Args:
        console: Where to write, as a rule stderr.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._live = console, console.is_terminal
        columns = (
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        self._progress = Progress(*columns, console=console, disable=not self._live)
        self._task: TaskID | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind and self._task is not None:
            self._progress.update(self._task, note="[red]failed")
        self._progress.stop()

    def started(self, step: str) -> None:
        """A step begins."""
        self._began = time.monotonic()
        self._task = self._progress.add_task(step, total=1, note="")

    def finished(self, step: str, cached: bool) -> None:
        """A step is done."""
        task = self._progress.add_task(step, total=1, note="cached") if cached or self._task is None else self._task
        self._progress.update(task, completed=1, note="cached" if cached else "")
        if not self._live:
            seconds = "cached" if cached else f"{time.monotonic() - self._began:.1f} s"
            self._console.print(Text(f"  {step:<30} {seconds:>8}"))
        self._task = None

    def detail(self, line: str) -> None:
        """The latest line that the running step wrote."""
        if self._task is not None and self._live:
            self._progress.update(self._task, note=Text(line[:80]).markup)


class Log(io.TextIOBase):
    """A text stream that keeps a file and its last lines.

    Args:
        path: The file; an earlier one is replaced.
        display: Shows the latest line.
    """

    def __init__(self, path: Path, display: Display) -> None:
        self.path = path
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._display, self._rest = display, ""
        self.tail: deque[str] = deque(maxlen=TAIL)

    def write(self, text: str) -> int:
        """Keep the text without colours."""
        plain = ANSI.sub("", text)
        self._file.write(plain)
        *lines, self._rest = (self._rest + plain).split("\n")
        for line in lines:
            self.tail.append(line)
            if WORTH_SHOWING.match(line):
                self._display.detail(line.strip())
        return len(text)

    def flush(self) -> None:
        """Bring the file up to date."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def writable(self) -> bool:
        """It is written to."""
        return True


def last_error(lines: list[str]) -> tuple[str, str]:
    """The exception that a step died of: its qualified class and its message; two empty texts where none is shown.

    The message is the traceback's last line, with the lines that follow it up to the next blank one.
    """
    for number in range(len(lines) - 1, -1, -1):
        if found := EXCEPTION.match(lines[number]):
            more = _until_blank(lines[number + 1 :])
            return found["name"], " ".join([found["text"], *more]).strip()
    return "", ""


EXCEPTION = re.compile(r"^\s*(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit))(?:: (?P<text>.*))?$")


def _until_blank(lines: list[str]) -> list[Any]:
    kept = []
    for line in lines:
        if not line.strip():
            break
        kept.append(line.strip())
    return kept
