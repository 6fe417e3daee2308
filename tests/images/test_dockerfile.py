"""What the Dockerfile builds is what the manifests name, and what its locks pin agrees."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from components import IMAGE
from tests.images.conftest import BASE, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LOCKS = sorted(ROOT.glob("requirements*.lock"))
SAME = {"tensorflow-cpu": "tensorflow"}
"""One package by two names."""


def stages() -> dict[str, str]:
    """The text of each stage by its name."""
    parts = re.split(r"^FROM \S+ AS (\S+)\n", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def images() -> set[str]:
    """The stages that are images: nothing is built on them, and nothing copied from them."""
    used = set(re.findall(r"^(?:FROM |COPY --from=)(\S+)", DOCKERFILE, re.MULTILINE))
    return set(stages()) - used


def pinned(lock: Path) -> dict[str, str]:
    """The version of each package."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {SAME.get(name, name): version for name, version in found}


def test_every_image_that_is_named_is_built() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "manifests").rglob("*.yaml")]
    named = {
        name for text in [*texts, IMAGE] for name in re.findall(r"\bkuberec/([a-z]+)(?=:\d|$)", text, re.MULTILINE)
    }
    assert "pipeline" in named
    assert named <= images()


def test_the_tag_that_is_built_is_the_one_that_is_named() -> None:
    (tag,) = re.findall(r"^TAG \?= (\S+)", MAKEFILE, re.MULTILINE)
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "manifests").rglob("*.yaml")]
    assert {found for text in [*texts, IMAGE] for found in re.findall(r"kuberec/[a-z]+:(\S+)", text)} == {tag}


@pytest.mark.parametrize("name", ["tests/images/base.sh", ".github/workflows/image.yaml"])
def test_the_base_has_one_name(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"docker\.io/library/[^\s}]+", text)) == {BASE}


def test_every_image_ends_as_a_user_that_is_no_root() -> None:
    assert len(images()) == 4
    for name in images():
        assert re.findall(r"^USER (.*)", stages()[name], re.MULTILINE) == ["1000"], name


def test_packages_are_installed_by_their_hashes_or_not_at_all() -> None:
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert installs
    for words in installs:
        assert "--no-deps" in words
        assert "--require-hashes" in words or words.endswith("/wheel/*.whl")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pinned_package_has_a_hash(lock: Path) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pinned(lock)) > 50
    assert not [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block]


def test_no_two_locks_disagree() -> None:
    versions = defaultdict(set)
    for lock in LOCKS:
        for name, version in pinned(lock).items():
            versions[name].add(version)
    assert len(LOCKS) == 5
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_no_image_without_a_gpu_has_cuda_and_the_other_has() -> None:
    assert not [lock.name for lock in LOCKS if lock.stem != "requirements-train" and "nvidia-" in lock.read_text()]
    assert "nvidia-cudnn-cu12" in pinned(ROOT / "requirements-train.lock")


def test_the_wheel_can_be_built_with_what_is_installed() -> None:
    (needed,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    least = int(needed.removeprefix("setuptools>="))
    assert int(pinned(ROOT / "requirements-serve.lock")["setuptools"].partition(".")[0]) >= least
