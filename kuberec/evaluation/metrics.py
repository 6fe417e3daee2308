"""Ranking metrics over the full catalogue, per user, and what the lists look like as a whole.

Everything works on index arrays: `lists` is `[users, k]` int32, best first, indices into the items, 0 where a list is
padded. With `h_r` = 1 if the item at rank r (from 1) is in the user's truth T, else 0:

    hr      1 if any h_r, else 0
    recall  sum h_r / |T|                                            at most k / |T| where the truth is longer than k
    ndcg    sum h_r / log2(r + 1), over its ideal: the same sum over the first min(|T|, k) ranks
    mrr     1 / rank of the first hit, 0 without one
    map     sum h_r * (hits up to r) / r, over min(|T|, k)

A perfect list scores 1 in all but recall; an empty list scores 0; a user without truth has no score (NaN).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuberec.features import UNKNOWN_INDEX, EncodedInteractions, EntityTable
from kuberec.recommender import Array, Recommender

RANKING_METRICS = ("hr", "recall", "ndcg", "mrr", "map")
BATCH = 4096

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """The items each test user took, every pair once.

    Attributes:
        user_ids: `[users]` of str, raw ids, sorted.
        user: `[pairs]` int64, position in `user_ids`.
        item: `[pairs]` int64, index of the item; 0 for an item outside the catalogue, which no list can hit.
    """

    user_ids: Array
    user: Array
    item: Array

    @staticmethod
    def of(user_ids: Iterable[str], item_ids: Iterable[str], items: EntityTable) -> "Truth":
        """From parallel raw ids; repeated pairs count once."""
        pairs = sorted(set(zip(user_ids, item_ids, strict=True)))
        users, position = np.unique(np.asarray([user for user, _ in pairs], dtype=object), return_inverse=True)
        return Truth(users, position.astype(np.int64), items.indices([item for _, item in pairs]).astype(np.int64))

    @property
    def sizes(self) -> Array:
        """`[users]` number of items in each user's truth."""
        return np.bincount(self.user, minlength=len(self.user_ids))

    def only(self, pairs: Bools) -> "Truth":
        """The same users with only the pairs of a mask; some may be left without truth."""
        return Truth(self.user_ids, self.user[pairs], self.item[pairs])


def ranked_lists(recommender: Recommender, user_ids: Array, k: int, items: EntityTable) -> Array:
    """A recommender's lists as item indices, `[users, k]` int32, padded with 0; asked in batches of users."""
    lists = np.zeros((len(user_ids), k), dtype=np.int32)
    for start in range(0, len(user_ids), BATCH):
        answer = items.indices(recommender.recommend(user_ids[start : start + BATCH].tolist(), k).item_ids)
        lists[start : start + len(answer), : answer.shape[1]] = answer[:, :k]
    return lists


def hits(lists: Array, truth: Truth) -> Bools:
    """`[users, k]` whether each recommended item is in the user's truth."""
    # A pair as one number: the user's position in the high part, the item's index in the low one.
    stride = 1 + max(int(lists.max(initial=0)), int(truth.item.max(initial=0)))
    inside = truth.item != UNKNOWN_INDEX
    wanted = truth.user[inside] * stride + truth.item[inside]
    offered = np.arange(len(lists), dtype=np.int64)[:, None] * stride + lists
    found: Bools = np.isin(offered, wanted) & (lists != UNKNOWN_INDEX)
    return found


def ranking_metrics(found: Bools, sizes: Array) -> dict[str, Floats]:
    """Each of `RANKING_METRICS` per user.

    Args:
        found: `[users, k]` as of `hits`.
        sizes: `[users]` number of items in the truth.

    Returns:
        `[users]` float64 by metric; NaN where the truth is empty.
    """
    k = found.shape[1]
    rank = np.arange(1, k + 1)
    discount = 1.0 / np.log2(rank + 1)
    ideal = np.concatenate([[np.nan], np.cumsum(discount)])
    reachable = np.minimum(sizes, k)
    some = np.where(sizes > 0, 1.0, np.nan)
    precision = np.cumsum(found, axis=1) / rank
    return {
        "hr": found.any(axis=1) * some,
        "recall": found.sum(axis=1) / (sizes * some),
        "ndcg": (found * discount).sum(axis=1) / ideal[reachable],
        "mrr": (found / rank).max(axis=1) * some,
        "map": (found * precision).sum(axis=1) / (reachable * some),
    }


def coverage(lists: Array, catalogue: int) -> float:
    """Share of the catalogue's items that stand in at least one list; 1 when every item does."""
    return len(np.unique(lists[lists != UNKNOWN_INDEX])) / catalogue


def gini(lists: Array, catalogue: int) -> float:
    """Inequality of exposure over the catalogue: 0 when all items are shown equally often, near 1 when one takes all.

    Items never shown count with exposure 0; without any list it is 0.
    """
    shown = np.sort(np.bincount(lists[lists != UNKNOWN_INDEX], minlength=catalogue + 1)[1:])
    if not shown.sum():
        return 0.0
    rank = np.arange(1, catalogue + 1)
    return float(((2 * rank - catalogue - 1) * shown).sum() / (catalogue * shown.sum()))


def item_users(interactions: EncodedInteractions, items: int) -> Array:
    """`[items]` number of distinct users who took each item, by index."""
    pairs = np.unique(interactions.user.astype(np.int64) * items + interactions.item)
    return np.bincount(pairs % items, minlength=items)


def novelty(lists: Array, takers: Array, users: int) -> Floats:
    """Mean self-information of each list in bits: -log2(share of users who took the item); 0 for what everybody took.

    Args:
        lists: `[users, k]`.
        takers: `[items]` as of `item_users`; an item nobody took counts as taken once.
        users: Number of users who took anything.

    Returns:
        `[lists]` float64, NaN for an empty list.
    """
    information = np.log2(max(users, 1) / np.maximum(takers, 1))
    return _list_means(information, lists)


def popularity_bias(lists: Array, takers: Array, history: EncodedInteractions, rows: Array) -> dict[str, float]:
    """How much more popular the lists are than what the same users took themselves.

    Args:
        lists: `[users, k]`.
        takers: `[items]` as of `item_users`.
        history: The positives that the recommender could know.
        rows: `[users]` index of each list's user in the users' table; users without history are left out.

    Returns:
        `recommended`, `history`, `catalogue`: mean number of takers of an item, averaged over users (over items for the
        catalogue); `lift`: recommended / history - 1, 0 without bias. Empty where nobody has both.
    """
    count = np.bincount(history.user, minlength=int(rows.max(initial=0)) + 1)
    total = np.bincount(history.user, weights=takers[history.item], minlength=len(count))
    warm = (count[rows] > 0) & (lists != UNKNOWN_INDEX).any(axis=1)
    if not warm.any():
        return {}
    own = float((total[rows[warm]] / count[rows[warm]]).mean())
    shown = float(_list_means(takers.astype(float), lists[warm]).mean())
    return {"recommended": shown, "history": own, "catalogue": float(takers[1:].mean()), "lift": shown / own - 1}


def _list_means(values: Floats, lists: Array) -> Floats:
    filled = lists != UNKNOWN_INDEX
    size = np.where(filled.any(axis=1), filled.sum(axis=1), np.nan)
    means: Floats = np.where(filled, values[lists], 0.0).sum(axis=1) / size
    return means
