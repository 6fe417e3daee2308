"""The label: whether an interaction counts as a positive under the dataset's rule."""

from typing import Any

import ibis

from kuberec.dataset import Positive
from kuberec.schema import EVENT, VALUE


def positive(interactions: Any, rule: Positive) -> Any:
    """The rule as a boolean Ibis expression over a table of interactions; true everywhere when nothing is set."""
    expression = ibis.literal(True)
    if rule.min_value is not None:
        expression = expression & (interactions[VALUE] >= rule.min_value)
    if rule.event_types is not None:
        expression = expression & interactions[EVENT].isin(list(rule.event_types))
    return expression
