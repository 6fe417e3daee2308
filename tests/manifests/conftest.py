"""The tests of this folder need kubectl, which no package index has."""

import shutil

import pytest


@pytest.fixture(scope="session", autouse=True)
def kubectl() -> str:
    found = shutil.which("kubectl")
    if not found:
        pytest.skip("kubectl is not installed: the manifests cannot be built")
    return found
