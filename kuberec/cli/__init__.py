"""The command line `kuberec`: one verb for each step, and `run`, `serve`, `recommend`, `demo`."""

import os
import sys
import traceback
from collections.abc import Sequence

from kuberec.errors import KuberecError

UNEXPECTED = 70
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The words after `kuberec`; those of the process when absent.

    Returns:
        The exit code: 0 done, 1 refused by the gate, 2 wrong usage or setting, 3 to 8 by the class of the error
        (`kuberec/errors.py`), 70 unexpected, 130 interrupted.
    """
    from kuberec.cli.app import app, debugging

    # Both greet with a page of notices otherwise, and read this when they are first imported; their errors come as
    # exceptions all the same.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="kuberec")
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
        if code == INTERRUPTED:
            _say("Interrupted.")
        return code
    except KeyboardInterrupt:
        _say("Interrupted.")
        return INTERRUPTED
    except KuberecError as error:
        _report(str(error), debugging())
        return error.exit_code
    except Exception as error:
        # The last stop: whatever nobody foresaw is still told in one line.
        one_line = " ".join(str(error).split())
        _report(f"{type(error).__name__}: {one_line} (kuberec --debug … shows where)", debugging())
        return UNEXPECTED
    return 0


def _report(message: str, with_traceback: bool) -> None:
    if with_traceback:
        traceback.print_exc()
    _say(f"Error: {message}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
