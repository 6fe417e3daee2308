"""The table of costs is what the manifests ask for."""

import re

from tests.manifests.costs import costs, mebibytes, rows
from tests.manifests.rendering import MANIFESTS, ROOT


def test_quantities() -> None:
    assert (mebibytes("512Mi"), mebibytes("4Gi")) == (512, 4096)


def test_the_smallest_environment_leaves_most_of_eight_gibibytes() -> None:
    assert costs(MANIFESTS / "overlays" / "local") == {"model-server": (1, 512 + 256)}


def test_the_table_in_the_documentation_is_up_to_date() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (?:dev|local|prod) \|.*$", page, re.MULTILINE) == rows()
