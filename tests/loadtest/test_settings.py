"""The files that `make loadtest` reads."""

from pathlib import Path

import pytest

from kuberec.loadtest.scenario import load_scenario
from kuberec.loadtest.slo import load_slo
from loadtest.running import HERE

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
