"""The settings of a load test: how many requests arrive when, of whom, and for what."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kuberec.dataset import Strict
from kuberec.loadtest.reading import read_settings

Signature = Literal["recommend", "score", "similar_items"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Phase(Strict):
    """A stretch of time with one rate."""

    seconds: Positive
    """How long."""
    rate: Positive
    """Requests a second, on average."""


class Sessions(Strict):
    """A user who has come asks several times: requests arrive in bursts."""

    requests: Annotated[float, Field(ge=1)]
    """Requests of a session, on average; geometrically distributed."""
    gap_seconds: Annotated[float, Field(ge=0)]
    """Time between two requests of a session, on average; exponentially distributed."""


class Users(Strict):
    """Who asks."""

    zipf: Annotated[float, Field(ge=0)]
    """Exponent s: the n-th most active user comes in proportion to n^-s. 0: all users come equally often."""
    cold: Share
    """Share of the sessions whose user no model knows."""


class Scenario(Strict):
    """What a load test sends; each request is drawn before the first is sent."""

    description: str
    """What it shows, in a sentence."""
    phases: Annotated[list[Phase], Field(min_length=1)]
    """Played one after the other."""
    arrivals: Literal["poisson", "even"] = "poisson"
    """`poisson`: sessions, or requests where there are no sessions, come independently of each other. `even`: one
    request after the other at equal distances, to compare with generators that know nothing else."""
    sessions: Sessions | None = None
    """None: every request is of another user."""
    users: Users
    signatures: Annotated[dict[Signature, Positive], Field(min_length=1)]
    """Weight of each signature in the mix."""
    k: Annotated[int, Field(ge=1)] = 10
    """Length of the lists asked for."""
    candidates: Annotated[int, Field(ge=1)] = 20
    """Items of a `score` request."""
    history: bool = True
    """Whether a `recommend` request carries what its user took earlier in the session."""
    timeout_seconds: Positive = 1.0
    """After this time without an answer a request has failed."""
    swap_at_seconds: Positive | None = None
    """When a new version of the model is published; None: never."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The same seed draws the same requests, with any number of workers."""

    @property
    def seconds(self) -> float:
        """How long requests arrive."""
        return sum(phase.seconds for phase in self.phases)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.arrivals == "even" and self.sessions:
            raise ValueError("even arrivals come in no sessions; leave `sessions` out, or choose arrivals: poisson")
        if self.swap_at_seconds and self.swap_at_seconds >= self.seconds:
            raise ValueError(f"swap_at_seconds {self.swap_at_seconds:g} lies after the end, {self.seconds:g} s")
        return self


def load_scenario(path: Path) -> Scenario:
    """Read a scenario. Raises as `read_settings`."""
    return read_settings(path, Scenario)
