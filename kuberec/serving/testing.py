"""A model server inside a test, over a real connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer

FAST_POLL_SECONDS = 0.05


@contextmanager
def model_server(repository: Path | str, *, poll_seconds: float = FAST_POLL_SECONDS) -> Iterator[str]:
    """Serve a repository folder on a free port of this machine; yields `localhost:port`.

    The models are loaded when the block begins; versions that appear later are picked up within `poll_seconds`.
    Costs about 20 ms a model once TensorFlow is imported.
    """
    with ModelServer(repository, ServerOptions(poll_seconds=poll_seconds)) as server:
        yield server.address
