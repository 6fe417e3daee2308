"""The files that `make loadtest` reads, and what Locust says where something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kuberec.errors import ServingError, SourceError
from kuberec.loadtest.scenario import load_scenario
from kuberec.loadtest.slo import load_slo
from loadtest.running import HERE, LOCUSTFILE

PATIENCE_SECONDS = 120
SCENARIOS = sorted((HERE / "scenarios").glob("*.yaml"))


def test_the_scenarios_are_those_of_the_readme() -> None:
    names = {path.stem for path in SCENARIOS}
    assert {"steady", "spike", "soak", "cold_users", "version_swap"} <= names
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in names)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_can_be_read(path: Path) -> None:
    assert load_scenario(path).description


def test_the_limits_are_of_scenarios_that_exist() -> None:
    slo = load_slo(HERE / "slo.yaml")
    assert slo.scenarios.keys() <= {path.stem for path in SCENARIOS}
    assert slo.of("version_swap").error_rate == 0


def locust(*options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Locust with our file; it ends before it sends anything."""
    environment = {name: value for name, value in os.environ.items() if name != "LOCUST_SKIP_MONKEY_PATCH"}
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host", "localhost:1", *options],
        env=environment | {"PYTHONPATH": str(HERE.parent)} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_locust_by_hand_needs_real_threads() -> None:
    ended = locust()
    assert ended.returncode == 1
    assert "set LOCUST_SKIP_MONKEY_PATCH=1" in ended.stderr


def test_locust_by_hand_names_what_is_missing(tmp_path: Path) -> None:
    ended = locust("--user-ids", str(tmp_path / "users.txt"), LOCUST_SKIP_MONKEY_PATCH="1")
    assert ended.returncode == SourceError.exit_code
    assert "users.txt cannot be read" in ended.stderr


def test_a_swap_needs_a_folder_to_publish_in(tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n", encoding="utf-8")
    options = ["--user-ids", str(ids), "--item-ids", str(ids), "--scenario", str(HERE / "scenarios/version_swap.yaml")]
    ended = locust(*options, LOCUST_SKIP_MONKEY_PATCH="1")
    assert ended.returncode == ServingError.exit_code
    assert "--model-folder" in ended.stderr
