"""What a person sees of a run: plain lines where there is no terminal, the log, and the reason of a failure."""

import io
from pathlib import Path

from rich.console import Console

from pipelines.progress import Display, Log, last_error

TRACEBACK = """\
    Traceback (most recent call last):
      File "component.py", line 25, in validate
    kuberec.errors.DataError: 3 of 4 rows are bad.
    Mend them.

09:52:07 - ERROR - Task 'validate' finished with status FAILURE
"""


def test_each_step_is_one_plain_line_where_there_is_no_terminal() -> None:
    text = io.StringIO()
    with Display(Console(file=text)) as display:
        display.finished("ingest", cached=True)
        display.started("split")
        display.detail("nobody sees this")
        display.finished("split", cached=False)
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert lines[0] == ["ingest", "cached"]
    assert lines[1][0] == "split"
    assert float(lines[1][1]) < 1
    assert len(lines) == 2


def test_the_log_keeps_everything_without_colours(tmp_path: Path) -> None:
    with Display(Console(file=io.StringIO())) as display:
        log = Log(tmp_path / "run.log", display)
        log.write("one \x1b[92mgreen\x1b[0m line\nand ")
        log.write("another\n")
        log.close()
    assert (tmp_path / "run.log").read_text() == "one green line\nand another\n"
    assert list(log.tail) == ["one green line", "and another"]


def test_the_error_of_a_step_is_the_last_line_of_its_traceback() -> None:
    name, message = last_error(TRACEBACK.splitlines())
    assert name == "kuberec.errors.DataError"
    assert message == "3 of 4 rows are bad. Mend them."


def test_a_step_without_a_word_has_no_error() -> None:
    assert last_error(["Epoch 3", "09:52:07 - ERROR - Task 'train' finished"]) == ("", "")
