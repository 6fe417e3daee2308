import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kuberec.errors import SourceError
from kuberec.sources.downloads import cache_folder, download, download_wheel


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", folder
        http.shutdown()
        thread.join()


def test_a_download_is_checked_and_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = server
    (folder / "data.zip").write_bytes(b"content")
    checksum = hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    target = tmp_path / "data.zip"
    assert download(f"{url}/data.zip", target, checksum).read_bytes() == b"content"
    (folder / "data.zip").unlink()
    assert download(f"{url}/data.zip", target, checksum) == target


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = server
    (folder / "data.zip").write_bytes(b"tampered")
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(SourceError, match="checksum"):
        download(f"{url}/data.zip", cache / "data.zip", "0" * 32)
    assert list(cache.iterdir()) == []


def test_a_missing_page_and_a_closed_port_are_unreachable(server: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = server
    with pytest.raises(ConnectionError, match="404"):
        download(f"{url}/absent.zip", tmp_path / "absent.zip", "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError, match="cannot be reached"):
        download(f"http://127.0.0.1:{port}/x", tmp_path / "x", "")


def test_the_cache_folder_follows_the_users_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder(None) == tmp_path / "xdg" / "kuberec"
    assert cache_folder(tmp_path / "own") == tmp_path / "own"
    assert (tmp_path / "own").is_dir()


def test_a_wheel_that_pip_cannot_find_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConnectionError, match="kuberec-absent"):
        download_wheel("kuberec-absent==1.0", tmp_path)
    assert list(tmp_path.iterdir()) == []
