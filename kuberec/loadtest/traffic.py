"""Draws who asks for what: users by a Zipf law, a share of cold ones, signatures by weight."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kuberec.client import questions
from kuberec.errors import ConfigError, SourceError
from kuberec.loadtest.arrivals import Arrivals, Ints, draw_arrivals
from kuberec.loadtest.scenario import Scenario

RECOMMEND, SCORE, SIMILAR_ITEMS = "recommend", "score", "similar_items"
MOST_HISTORY = 10
"""Items of a history at most; the latest ones."""


@dataclass(frozen=True)
class Catalogue:
    """Whom and what a model knows.

    Attributes:
        users: Raw ids, the most active first.
        items: Raw ids, the most popular first.
    """

    users: Sequence[str]
    items: Sequence[str]


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent.

    Attributes:
        due: Seconds after the start.
        signature: What it asks.
        message: The PredictRequest.
    """

    due: float
    signature: str
    message: bytes


class Traffic:
    """All requests of a load test, drawn beforehand; their messages are made when they are asked for.

    Args:
        scenario: What to draw; the same scenario draws the same requests.
        catalogue: Whom and what to ask for.
        model: The model's name.

    Raises:
        ConfigError: The catalogue is empty.
    """

    def __init__(self, scenario: Scenario, catalogue: Catalogue, model: str) -> None:
        if not catalogue.users or not catalogue.items:
            raise ConfigError("A load test needs at least one user id and one item id to ask with.")
        self._scenario, self._catalogue, self._model = scenario, catalogue, model
        # One stream of chance for each part: other weights do not change who comes when.
        when, who, what, which = np.random.default_rng(scenario.seed).spawn(4)
        self.arrivals: Arrivals = draw_arrivals(scenario, when)
        count = len(self)
        sessions = int(self.arrivals.session.max(initial=-1)) + 1
        self._user = _zipf(len(catalogue.users), scenario.users.zipf, sessions, who)
        self._cold = who.random(sessions) < scenario.users.cold
        # Items are as unevenly popular as users are active.
        self._item = _zipf(len(catalogue.items), scenario.users.zipf, count, which)
        names, weights = list(scenario.signatures), np.array(list(scenario.signatures.values()))
        self._signature = [names[n] for n in what.choice(len(names), size=count, p=weights / weights.sum())]

    def __len__(self) -> int:
        """How many requests there are."""
        return len(self.arrivals.seconds)

    def user(self, n: int) -> str:
        """The user of the n-th request; every cold session has one of its own."""
        session = int(self.arrivals.session[n])
        if self._cold[session]:
            return f"cold-{self._scenario.seed}-{session}"
        return self._catalogue.users[int(self._user[session])]

    def requests(self, index: int = 0, of: int = 1) -> Iterator[Request]:
        """Every `of`-th request, from the `index`-th on, in the order of time."""
        for n in range(index, len(self), of):
            yield Request(float(self.arrivals.seconds[n]), self._signature[n], self._message(n))

    def _message(self, n: int) -> bytes:
        scenario, items = self._scenario, self._catalogue.items
        match self._signature[n]:
            case "score":
                # The items next in popularity stand for what a page shows together.
                shown = [items[(self._item[n] + step) % len(items)] for step in range(scenario.candidates)]
                inputs = {"user_id": [self.user(n)], "item_ids": [shown]}
                return questions.predict(self._model, inputs, SCORE, (), None).request
            case "similar_items":
                inputs = {"item_id": [items[self._item[n]]], "k": scenario.k}
                return questions.predict(self._model, inputs, SIMILAR_ITEMS, (), None).request
            case _:
                history = self._history(n) if scenario.history else []
                return questions.recommend(self._model, [self.user(n)], scenario.k, None, history=[history]).request

    def _history(self, n: int) -> list[str]:
        """What the user has taken so far: an item for each earlier request of the session."""
        earlier = self._places[self.arrivals.session[n]]
        position = int(np.searchsorted(earlier, n))
        return [self._catalogue.items[self._item[m]] for m in earlier[max(0, position - MOST_HISTORY) : position]]

    @cached_property
    def _places(self) -> list[Ints]:
        """The requests of each session."""
        session = self.arrivals.session
        order = np.argsort(session, kind="stable")
        return np.split(order, np.cumsum(np.bincount(session))[:-1])


def read_ids(path: Path) -> list[str]:
    """Ids of a text file, one a line, the most active or popular first.

    Raises:
        SourceError: The file cannot be read, or holds none.
    """
    try:
        ids = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The ids in {path} cannot be read: {error}") from error
    if not ids:
        raise SourceError(f"{path} holds no ids; one a line is expected, the most active or popular first.")
    return ids


def _zipf(size: int, exponent: float, count: int, rng: np.random.Generator) -> Ints:
    """`[count]` ranks below `size`, rank n in proportion to (n + 1)^-exponent."""
    weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    ranks: Ints = rng.choice(size, size=count, p=weights / weights.sum())
    return ranks
