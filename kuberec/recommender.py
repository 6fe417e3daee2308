"""What everything that recommends can do: families, baselines and exported models answer the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
PADDING = ""
"""Item id that fills a list with fewer than k recommendations; its score is minus infinity."""


@dataclass(frozen=True)
class Recommendations:
    """Ranked lists, best first.

    Attributes:
        item_ids: `[users, k]` of str, padded with "".
        scores: `[users, k]` float32, padded with minus infinity.
    """

    item_ids: Array
    scores: Array


class Recommender(Protocol):
    """Ranks the catalogue for users by raw id."""

    name: str
    """The family's or the baseline's name, as tables show it."""

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        """The k best items for each user, without the items the user has been observed with.

        A user never seen gets the recommender's answer for the unknown (popularity, unless features say more).
        """
        ...


def top_k(scores: Array, k: int) -> tuple[Array, Array]:
    """The k greatest scores of each row, ties broken by the lower position.

    Args:
        scores: `[rows, columns]` float.
        k: Cut to the number of columns; below 1, nothing is asked for.

    Returns:
        Positions `[rows, k]` int64 and their scores `[rows, k]`, best first: TensorFlow's `top_k` order.
    """
    k = max(0, min(k, scores.shape[1]))
    if not k:
        return np.zeros((len(scores), 0), dtype=np.int64), scores[:, :0]
    negated = -scores
    kth = np.partition(negated, k - 1, axis=1)[:, k - 1 : k]
    # Only what reaches the kth best is sorted; written so that NaN stays in and sorts last.
    row, column = np.nonzero(~(negated > kth))
    order = np.lexsort((negated[row, column], row))
    first = np.searchsorted(row, np.arange(len(scores)))
    best = column[order][first[:, None] + np.arange(k)]
    return best, np.take_along_axis(scores, best, axis=1)
