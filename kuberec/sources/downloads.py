"""Fetches files that a built-in dataset needs: over HTTP with a checksum, or out of a package of the registry."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from kuberec.errors import SourceError

CONNECT_SECONDS = 5.0
"""How long a server may stay silent before it counts as unreachable."""
CHUNK = 1 << 20


def cache_folder(cache_dir: Path | str | None) -> Path:
    """The folder for downloads: the given one, else `kuberec` in the user's cache folder; made when absent."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kuberec"
    folder = Path(cache_dir) if cache_dir else default
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def download(url: str, target: Path, md5: str) -> Path:
    """Fetch a file unless it is there already with the right checksum.

    Raises:
        ConnectionError: The server cannot be reached.
        SourceError: The file came with another checksum; nothing is kept.
    """
    if target.is_file() and _md5(target) == md5:
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        part = Path(temporary) / target.name
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, part.open("wb") as stream:
                shutil.copyfileobj(answer, stream, CHUNK)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise ConnectionError(f"{url} cannot be reached: {error}") from error
        if (found := _md5(part)) != md5:
            raise SourceError(
                f"{url} came with the MD5 checksum {found}, {md5} was expected. Try again, or give a location."
            )
        part.replace(target)
    return target


def download_wheel(requirement: str, target: Path) -> Path:
    """Fetch one package's wheel from the package registry into a folder, unless it holds one; nothing is installed.

    Raises:
        ConnectionError: pip cannot fetch it.
    """
    name = requirement.replace("==", "-")
    for wheel in sorted(target.glob(f"{name}-*.whl")):
        return wheel
    with tempfile.TemporaryDirectory(dir=target) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "--dest", temporary, requirement], capture_output=True, text=True
        )
        if done.returncode:
            raise ConnectionError(f"pip cannot fetch {requirement}: {done.stderr.strip()}")
        wheel = next(Path(temporary).glob("*.whl"))
        return wheel.replace(target / wheel.name)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
