"""Draws when requests arrive: an open loop, in which nobody waits for the answer to another's request."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuberec.loadtest.scenario import Phase, Scenario, Sessions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LATE_SHARE = 1e-3
"""Share of the sessions that may have begun before the first one that is drawn and still be running at the start."""


@dataclass(frozen=True)
class Arrivals:
    """Requests in the order of time.

    Attributes:
        seconds: `[N]` time of each after the start, below the scenario's end.
        session: `[N]` which session it belongs to.
        position: `[N]` its place in the session, from 0.
    """

    seconds: Floats
    session: Ints
    position: Ints


def draw_arrivals(scenario: Scenario, rng: np.random.Generator) -> Arrivals:
    """Draw the arrivals of a scenario; about 100 bytes of memory a request."""
    if scenario.arrivals == "even":
        return _single(_even(scenario.phases))
    if scenario.sessions is None:
        return _single(_poisson(scenario.phases, rng))
    return _in_sessions(scenario, scenario.sessions, rng)


def _single(seconds: Floats) -> Arrivals:
    return Arrivals(seconds, np.arange(len(seconds)), np.zeros(len(seconds), dtype=np.int64))


def _even(phases: list[Phase]) -> Floats:
    begin, parts = 0.0, []
    for phase in phases:
        parts.append(begin + np.arange(round(phase.seconds * phase.rate)) / phase.rate)
        begin += phase.seconds
    return np.concatenate(parts)


def _poisson(phases: list[Phase], rng: np.random.Generator) -> Floats:
    """Given their number, the arrivals of a Poisson process are uniform."""
    begin, parts = 0.0, []
    for phase in phases:
        count = rng.poisson(phase.seconds * phase.rate)
        parts.append(np.sort(rng.uniform(begin, begin + phase.seconds, size=count)))
        begin += phase.seconds
    return np.concatenate(parts)


def _in_sessions(scenario: Scenario, sessions: Sessions, rng: np.random.Generator) -> Arrivals:
    before = _longest(sessions)
    first = scenario.phases[0]
    # Sessions that began before the start are drawn too: else the first seconds would lack their later requests.
    phases = [Phase(seconds=before, rate=first.rate), *scenario.phases] if before else scenario.phases
    slower = [Phase(seconds=phase.seconds, rate=phase.rate / sessions.requests) for phase in phases]
    starts = _poisson(slower, rng) - before
    lengths = rng.geometric(1 / sessions.requests, size=len(starts))
    session = np.repeat(np.arange(len(starts)), lengths)
    position = np.arange(len(session)) - np.repeat(_begins(lengths), lengths)
    gaps = np.where(position > 0, rng.exponential(sessions.gap_seconds, size=len(session)), 0.0)
    waited = np.cumsum(gaps)
    seconds = starts[session] + waited - waited[_begins(lengths)][session]
    inside = np.flatnonzero((seconds >= 0) & (seconds < scenario.seconds))
    order = inside[np.argsort(seconds[inside], kind="stable")]
    return Arrivals(seconds[order], session[order], position[order])


def _begins(lengths: Ints) -> Ints:
    """Where each session's first request stands, of sessions that are written one after the other."""
    begins: Ints = np.cumsum(lengths) - lengths
    return begins


def _longest(sessions: Sessions) -> float:
    """Seconds that hardly any session lasts: its 99.9th percentile of requests, each a mean gap apart."""
    if sessions.requests == 1:
        return 0.0
    requests = np.log(LATE_SHARE) / np.log(1 - 1 / sessions.requests)
    return float(requests * sessions.gap_seconds)
