"""A change of an environment goes into the server that holds the environment already."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.manifests.apiserver.conftest import Applied, install_platform
from tests.manifests.apiserver.server import Done, running
from tests.manifests.rendering import MANIFESTS, Manifest, manifests, rendered

pytestmark = pytest.mark.slow

DEV = MANIFESTS / "overlays" / "dev"
NEXT_VERSIONS = {r"(?m)^    models:$": "    # the next promotion\n    models:"}
NEXT_IMAGE = {r"kuberec/pipeline:[\w.-]+": "kuberec/pipeline:next"}
NEXT_NUMBERS = {r"prepare-\d+": "prepare-next", r"matrix-factorization-\d+": "matrix-factorization-next"}


@pytest.fixture(scope="module")
def dev(programs: None, crds: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    with running(tmp_path_factory.mktemp("upgrade")) as server:
        install_platform(server, crds, manifests(DEV))
        yield Applied(DEV, server, (), server.apply(f"--kustomize={DEV}"))


def apply_changed(applied: Applied, changes: dict[str, str]) -> Done:
    """Apply the same with some words, found by patterns, changed."""
    text = rendered(applied.folder)
    for pattern, new in changes.items():
        text, count = re.subn(pattern, new, text)
        assert count, pattern
    objects = {"apiVersion": "v1", "kind": "List", "items": [*yaml.safe_load_all(text)]}
    return applied.server.apply("--filename=-", given=objects)


def test_a_promotion_changes_the_versions_and_nothing_else(dev: Applied) -> None:
    before = dev.stored()
    assert apply_changed(dev, NEXT_VERSIONS).returncode == 0
    after = dev.stored()
    assert [key for key in after if after[key] != before[key]] == [("ConfigMap", "kuberec", "model-versions")]


def test_a_new_image_asks_for_new_numbers_of_what_cannot_be_changed(dev: Applied) -> None:
    refused = apply_changed(dev, NEXT_IMAGE).stderr
    assert re.findall(r'(\w+)[\w.]* "([a-z-]+)\d+" is invalid', refused) == [("Job", "prepare-")]
    assert "field is immutable" in refused
    done = apply_changed(dev, NEXT_IMAGE | NEXT_NUMBERS)
    assert (done.returncode, done.stderr) == (0, "")
