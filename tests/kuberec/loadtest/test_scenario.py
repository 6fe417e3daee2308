from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberec.errors import ConfigError, SourceError
from kuberec.loadtest.scenario import load_scenario
from tests.kuberec.loadtest.builders import scenario

GOOD: dict[str, Any] = scenario().model_dump(mode="json")


def write(path: Path, values: Any) -> Path:
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_a_scenario_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load_scenario(write(tmp_path / "s.yaml", GOOD)) == scenario()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"phases": [{"seconds": 1, "rate": 0}]}, r"phases\.0\.rate: .*greater than 0, got 0"),
        ({"speed": 3}, "speed: Extra inputs are not permitted"),
        ({"signatures": {"predict": 1}}, "signatures.predict"),
        ({"signatures": {}}, "signatures: .*at least 1 item"),
        ({"arrivals": "even", "sessions": {"requests": 2, "gap_seconds": 1}}, "even arrivals come in no sessions"),
        ({"swap_at_seconds": 10}, "swap_at_seconds 10 lies after the end, 10 s"),
        ({"users": {"zipf": 1, "cold": 2}}, "users.cold"),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", GOOD | changes)
    with pytest.raises(ConfigError, match=said) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        load_scenario(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="no valid YAML"):
        load_scenario(tmp_path / "s.yaml")
