"""The parts of the test set that are looked at on their own: cold users, tail items, cold items."""

from dataclasses import dataclass

import numpy as np

from kuberec.evaluation.metrics import Bools, Truth, item_users
from kuberec.features import UNKNOWN_INDEX, Features

ALL = "all"
HEAD_SHARE = 0.2
"""Share of the catalogue, the most popular first, that counts as head."""


@dataclass(frozen=True)
class Slice:
    """A part of the test set.

    Attributes:
        name: Short name.
        description: What belongs to it, for people.
        pairs: `[pairs]` mask of the truth; a user belongs to the slice when a pair of theirs is left.
    """

    name: str
    description: str
    pairs: Bools


def slices(truth: Truth, features: Features) -> list[Slice]:
    """All slices of a truth, the whole first; "known" always means a positive in training or validation."""
    known = features.observed.positives()
    takers = item_users(known, len(features.items))
    warm = np.isin(features.users.indices(truth.user_ids), known.user)[truth.user]
    head = head_items(takers)[truth.item]
    cold = takers[truth.item] == 0
    percent = f"{HEAD_SHARE:.0%}"
    return [
        Slice(ALL, "every test user with a positive", np.ones(len(truth.user), dtype=bool)),
        Slice("warm_users", "users with a known positive", warm),
        Slice("cold_users", "users without a known positive", ~warm),
        Slice("head_items", f"truth among the {percent} most popular items of the catalogue", head),
        Slice("tail_items", f"truth outside the {percent} most popular items of the catalogue", ~head),
        Slice("cold_items", "truth without a known positive", cold),
    ]


def head_items(takers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Bools:
    """`[items]` mask of the most popular share of the catalogue, ties by the lower index; never the unknown."""
    catalogue = np.arange(1, len(takers))
    order = catalogue[np.argsort(-takers[1:], kind="stable")]
    head = np.zeros(len(takers), dtype=bool)
    head[order[: round(HEAD_SHARE * len(catalogue))]] = True
    head[UNKNOWN_INDEX] = False
    return head
