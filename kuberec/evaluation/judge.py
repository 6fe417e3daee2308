"""From a recommender to its figures: lists for every test user, metrics per slice, intervals, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from kuberec.evaluation.bootstrap import DIGITS, Floats, interval, resampled_means
from kuberec.evaluation.contenders import Contender, Role
from kuberec.evaluation.metrics import (
    RANKING_METRICS,
    Truth,
    coverage,
    gini,
    hits,
    item_users,
    novelty,
    popularity_bias,
    ranked_lists,
    ranking_metrics,
)
from kuberec.evaluation.slices import Slice
from kuberec.features import UNKNOWN_INDEX, Features
from kuberec.recommender import Array


@dataclass(frozen=True)
class Judged:
    """What a contender's lists are worth.

    Attributes:
        values: Slice → `[users, metrics]` in the order of `RANKING_METRICS`, NaN for users outside the slice.
        lists: Facts of the lists as a whole: coverage, gini, novelty, popularity.
        faults: Counts of what must not be in a list: observed items, repeated items, items outside the catalogue.
    """

    name: str
    role: Role
    parameters: Mapping[str, Any]
    values: Mapping[str, Floats]
    lists: Mapping[str, Any]
    faults: Mapping[str, int]


def judge(contender: Contender, truth: Truth, parts: Sequence[Slice], features: Features, k: int) -> Judged:
    """Ask a contender for every test user and measure its lists."""
    lists = ranked_lists(contender.recommender, truth.user_ids, k, features.items)
    values = {}
    for part in parts:
        inside = truth.only(part.pairs)
        metrics = ranking_metrics(hits(lists, inside), inside.sizes)
        values[part.name] = np.stack([metrics[name] for name in RANKING_METRICS], axis=1)
    rows = features.users.indices(truth.user_ids)
    return Judged(
        contender.name,
        contender.role,
        contender.parameters,
        values,
        _lists_as_a_whole(lists, rows, features),
        _faults(lists, rows, features),
    )


def figures(judged: Sequence[Judged], candidate: str, parts: Sequence[Slice], k: int, resamples: int, seed: int) -> Any:
    """Means with intervals of every contender, and the candidate's paired leads over the others.

    Returns:
        `(figures, differences)`: contender → slice → metric@k → interval, and other → the same of candidate - other;
        a slice without users has no metrics.
    """
    own = [contender.name for contender in judged].index(candidate)
    names = [f"{metric}@{k}" for metric in RANKING_METRICS]
    means: dict[str, Any] = {contender.name: {} for contender in judged}
    leads: dict[str, Any] = {contender.name: {} for contender in judged if contender.name != candidate}
    for part in parts:
        stacked = np.stack([contender.values[part.name] for contender in judged], axis=1)
        inside = stacked[~np.isnan(stacked).any(axis=(1, 2))]
        # [users, contenders, metrics] and its resampled means [resamples, contenders, metrics] share every drawing.
        drawn = _resampled(inside, resamples, seed)
        for position, contender in enumerate(judged):
            means[contender.name][part.name] = _intervals(inside[:, position], drawn[:, position], names)
            if position != own:
                lead, drawn_lead = inside[:, own] - inside[:, position], drawn[:, own] - drawn[:, position]
                leads[contender.name][part.name] = _intervals(lead, drawn_lead, names)
    return means, leads


def is_observed(features: Features, rows: Array, items: Array) -> Array:
    """Whether each user index (same shape as `items`) was observed with the item index; never for the unknown."""
    known = features.observed
    shape = (len(features.users), len(features.items))
    matrix = csr_matrix((np.ones(len(known), dtype=bool), (known.user, known.item)), shape=shape)
    found = np.asarray(matrix[rows.ravel(), items.ravel()]).reshape(items.shape)
    return np.asarray(found & (rows != UNKNOWN_INDEX) & (items != UNKNOWN_INDEX))


def _resampled(values: Floats, resamples: int, seed: int) -> Floats:
    if not len(values):
        return np.empty((resamples, *values.shape[1:]))
    flat = resampled_means(values.reshape(len(values), -1), resamples, seed)
    return flat.reshape(resamples, *values.shape[1:])


def _intervals(values: Floats, drawn: Floats, names: Sequence[str]) -> dict[str, dict[str, float]]:
    if not len(values):
        return {}
    return {name: interval(values[:, n], drawn[:, n]).to_json() for n, name in enumerate(names)}


def _lists_as_a_whole(lists: Array, rows: Array, features: Features) -> dict[str, Any]:
    known = features.observed.positives()
    takers = item_users(known, len(features.items))
    catalogue = len(features.items) - 1
    bias = popularity_bias(lists, takers, known, rows)
    whole = {
        "coverage": coverage(lists, catalogue),
        "gini": gini(lists, catalogue),
        "novelty": float(np.nanmean(novelty(lists, takers, len(np.unique(known.user))))) if lists.any() else 0.0,
    }
    rounded: dict[str, Any] = {name: round(value, DIGITS) for name, value in whole.items()}
    return {**rounded, "popularity": {name: round(value, DIGITS) for name, value in bias.items()}}


def _faults(lists: Array, rows: Array, features: Features) -> dict[str, int]:
    users = np.broadcast_to(rows[:, None], lists.shape)
    ordered = np.sort(lists, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != UNKNOWN_INDEX)
    return {
        "observed": int(is_observed(features, users, lists).sum()),
        "repeated": int(repeated.sum()),
        "missing": int((lists == UNKNOWN_INDEX).sum()),
    }
