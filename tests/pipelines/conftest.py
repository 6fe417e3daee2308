"""One unbroken run over a small dataset, shared by the tests that compare with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kuberec.config import RunConfig
from pipelines.local import RunResult, run
from tests.pipelines.synthetic import write_dataset


@dataclass
class Workshop:
    """A dataset, a work folder and a repository."""

    folder: Path

    def config(self, **settings: object) -> RunConfig:
        """Settings that train quickly."""
        return RunConfig.model_validate(
            {
                "source": str(self.folder / "data" / "dataset.yaml"),
                "work_dir": str(self.folder / "run"),
                "repository": str(self.folder / "models"),
                "families": ["matrix_factorization"],
                "margin": -0.2,  # wide enough for the intervals of a small test part
            }
            | settings
        )


@pytest.fixture(scope="session")
def new_workshop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workshop]:
    """Makes a workshop with the same data in a new folder."""

    def make() -> Workshop:
        folder = tmp_path_factory.mktemp("workshop")
        write_dataset(folder / "data")
        return Workshop(folder)

    return make


@pytest.fixture(scope="session")
def workshop(new_workshop: Callable[[], Workshop]) -> Workshop:
    """The workshop of the unbroken run."""
    return new_workshop()


@pytest.fixture(scope="session")
def unbroken(workshop: Workshop) -> RunResult:
    """A run from nothing to its end."""
    return run(workshop.config())
