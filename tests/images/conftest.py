"""The images, built from the Dockerfile as it is, on a base that is there."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.images.containers import Image, buildah, mounted

ROOT = Path(__file__).parents[2]
(BASE,) = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
TAG = "tests"


@pytest.fixture(scope="session")
def image() -> Iterator[Callable[[str], Image]]:
    """Builds a target of the Dockerfile, unless that is done, and shows its files."""
    missing = [tool for tool in ("buildah", "runc") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} must be installed to build and run images")
    if os.geteuid() != 0:
        pytest.skip("only root can mount an image")
    if BASE not in buildah("images", "--format={{.Name}}:{{.Tag}}").split():
        pytest.skip(f"buildah does not have {BASE}: `buildah pull {BASE}`, or `make image-base` without a registry")
    built: dict[str, Image] = {}
    with ExitStack() as images:

        def get(target: str) -> Image:
            if target not in built:
                words = ["make", "image", "BUILDER=buildah", f"IMAGES={target}", f"TAG={TAG}"]
                done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                built[target] = images.enter_context(mounted(f"localhost/kuberec/{target}:{TAG}"))
            return built[target]

        yield get
