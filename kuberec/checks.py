"""Checks: named findings with a reason, as the leakage check, the parity check and the gate hand them on."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One rule and whether it holds.

    Attributes:
        name: Short name of the rule, the same in every run.
        passed: Whether the rule holds.
        reason: What was looked at and what was found, with counts; for a failed rule also an example.
    """

    name: str
    passed: bool
    reason: str


def checks_to_json(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """The checks as JSON objects `{name, passed, reason}`."""
    return [asdict(check) for check in checks]


def checks_from_json(values: Iterable[dict[str, Any]]) -> list[Check]:
    """The checks from what `checks_to_json` returned."""
    return [Check(name=value["name"], passed=value["passed"], reason=value["reason"]) for value in values]


def failed(checks: Iterable[Check]) -> list[Check]:
    """The checks that do not hold."""
    return [check for check in checks if not check.passed]


def describe(checks: Sequence[Check]) -> str:
    """One line: names and reasons of the given checks."""
    return "; ".join(f"{check.name}: {check.reason}" for check in checks)
