"""Settings, requests and outcomes, of which a test names only what it is about."""

from typing import Any

from kuberec.loadtest.asking import Answer
from kuberec.loadtest.player import Outcome
from kuberec.loadtest.recording import Recording
from kuberec.loadtest.scenario import Scenario
from kuberec.loadtest.traffic import Catalogue, Traffic

CATALOGUE = Catalogue(users=[f"u{n}" for n in range(100)], items=[f"i{n}" for n in range(50)])


def scenario(**changes: Any) -> Scenario:
    """Ten seconds of single requests, one signature."""
    plain: dict[str, Any] = {
        "description": "a test",
        "phases": [{"seconds": 10, "rate": 20}],
        "users": {"zipf": 1.0, "cold": 0.0},
        "signatures": {"recommend": 1},
    }
    return Scenario.model_validate(plain | changes)


def traffic(**changes: Any) -> Traffic:
    """What such a scenario draws."""
    return Traffic(scenario(**changes), CATALOGUE, "films")


def outcome(due: float = 0.0, seconds: float = 0.01, **changes: Any) -> Outcome:
    """A right answer by version 1."""
    plain: dict[str, Any] = {"late": 0.0, "signature": "recommend", "answer": Answer(version=1)}
    return Outcome(due=due, seconds=seconds, **(plain | changes))


def recording(played: Scenario, *outcomes: Outcome) -> Recording:
    """A recording of these."""
    filled = Recording(played)
    for each in outcomes:
        filled.add(each)
    return filled
