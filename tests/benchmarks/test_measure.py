import sys

import pytest

from benchmarks.measure import measure

PIPE = 1 << 16


def test_a_command_may_write_more_than_a_pipe_holds() -> None:
    # The alarm ends a command that waits for a reader.
    script = f"import signal, sys; signal.alarm(60); print('o' * {4 * PIPE}); print('e' * {4 * PIPE}, file=sys.stderr)"
    assert measure([sys.executable, "-c", script]).output == "o" * 4 * PIPE + "\n"


def test_a_failure_says_what_the_command_wrote() -> None:
    with pytest.raises(RuntimeError, match="ended with 7: no such data"):
        measure([sys.executable, "-c", "import sys; print('no such data', file=sys.stderr); sys.exit(7)"])


def test_peak_memory_is_that_of_the_command() -> None:
    script = "import time; held = bytearray(300 << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(0.5)"
    assert measure([sys.executable, "-c", script]).peak_gib > 0.29
