import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberec.serving.testing import model_server
from tests.kuberec.serving.saved_models import save_recommender, save_sum


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`recommender`, `raised` (every score higher by 1) and `sum`, as version folders to copy from."""
    folder = tmp_path_factory.mktemp("saved")
    save_recommender(folder / "recommender")
    save_recommender(folder / "raised", bonus=1.0)
    save_sum(folder / "sum")
    return folder


@pytest.fixture(scope="session")
def target(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of recommender versions 1 and 2, and sum version 123; read only."""
    repository = tmp_path_factory.mktemp("models")
    shutil.copytree(saved / "recommender", repository / "recommender" / "1")
    shutil.copytree(saved / "raised", repository / "recommender" / "2")
    shutil.copytree(saved / "sum", repository / "sum" / "00000123")
    with model_server(repository) as address:
        yield address
