"""What a model server answers."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One user's recommendations.

    Attributes:
        item_ids: Best first; fewer than asked for where the catalogue is smaller.
        scores: Their scores, of the same length.
        version: The model version that answered.
    """

    item_ids: list[str]
    scores: list[float]
    version: int


@dataclass(frozen=True)
class Prediction:
    """The outputs of a signature.

    Attributes:
        outputs: Lists nested as the output's shape says, a bare value for a scalar; strings are bytes.
        version: The model version that answered.
    """

    outputs: dict[str, Any]
    version: int


@dataclass(frozen=True)
class VersionStatus:
    """How it stands with one version of a model.

    Attributes:
        version: Its number.
        state: START, LOADING, AVAILABLE, UNLOADING, END, or UNKNOWN.
        error: Why it ended, in the server's words; empty where nothing went wrong.
    """

    version: int
    state: str
    error: str
