"""Every kustomization builds without a network, and what comes out is pinned and as it was read last."""

import re
from pathlib import Path

import pytest

from tests.manifests.rendering import OVERLAYS, ROOT, containers, kustomizations, manifests, pod_specs, rendered, title

GOLDEN = Path(__file__).parent / "golden"
IMAGE = re.compile(r"[\w./-]+(:\d[\w.-]*|@sha256:[0-9a-f]{64})")
"""Pinned: a tag that begins with a digit, or a digest."""


def name(folder: Path) -> str:
    return str(folder.relative_to(ROOT))


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_every_kustomization_builds(folder: Path) -> None:
    assert all({"apiVersion", "kind", "metadata"} <= each.keys() for each in manifests(folder))


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_nothing_that_is_built_lies_elsewhere(folder: Path) -> None:
    assert "://" not in (folder / "kustomization.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_no_object_comes_twice(folder: Path) -> None:
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in manifests(folder)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("folder", kustomizations(), ids=name)
def test_every_image_is_pinned(folder: Path) -> None:
    images = [
        (title(each), container["image"])
        for each in manifests(folder)
        for spec in pod_specs(each)
        for container in containers(spec)
    ]
    assert not [image for image in images if not IMAGE.fullmatch(image[1])]
    assert not re.findall(r":latest\b|\bHEAD\b", rendered(folder))


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_the_overlay_renders_as_it_was_read_last(folder: Path) -> None:
    golden = GOLDEN / f"{folder.name}.yaml"
    assert rendered(folder) == golden.read_text(encoding="utf-8"), "run `make render-golden` and read the diff"
