from pathlib import Path

import pytest

from kuberec.errors import ServingError
from kuberec.loadtest.swap import publish_copy


def test_the_newest_version_is_copied_to_the_next_number(tmp_path: Path) -> None:
    for version in ("2", "10"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").write_text(version)
    assert publish_copy(tmp_path) == 11
    assert (tmp_path / "11" / "saved_model.pb").read_text() == "10"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "11", "2"]


def test_without_a_version_there_is_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="holds no version"):
        publish_copy(tmp_path)
    with pytest.raises(ServingError, match="No new version can be published"):
        publish_copy(tmp_path / "nowhere")
