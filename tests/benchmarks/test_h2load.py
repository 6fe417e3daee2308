from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

import grpc
import pytest

from benchmarks.h2load import h2load
from benchmarks.serving_peers import add_echo

pytestmark = pytest.mark.skipif(which("h2load") is None, reason="h2load is not installed (nghttp2-client)")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "reply").write_bytes(b"answer")
    server = grpc.server(ThreadPoolExecutor(4))
    add_echo(server, tmp_path / "reply")
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_load_is_counted_and_timed(target: str) -> None:
    found = h2load(target, "/any/procedure", b"question", connections=2, streams=2, requests=200)
    assert found.rate > 0
    assert 0 < found.p50 <= found.p99


def test_a_server_that_does_not_answer_is_an_error() -> None:
    nobody = "127.0.0.1:1"
    with pytest.raises(RuntimeError, match="3 answers were expected"):
        h2load(nobody, "/any/procedure", b"question", connections=1, streams=1, requests=3)
