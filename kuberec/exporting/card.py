"""The model card: what a served version is, from what it was made, and what it cannot do."""

from typing import Any

from jinja2 import Environment, StrictUndefined

from kuberec.training.fitted import FittedModel

CARD = """\
# {{ name }} on {{ dataset }}

A recommender of the family `{{ name }}`, served by TensorFlow Serving. Raw ids in, raw ids out.

| | |
|---|---|
| Users with positives | {{ users }} |
| Items with positives | {{ items }} of {{ catalogue }} in the catalogue |
| Interactions, positives | {{ interactions }}, {{ positives }} |
| What is a positive | {{ positive }} |
| Seed | {{ seed }} |
{% for metric, value in validation.items() -%}
| Validation {{ metric }} | {{ "%.4f" | format(value) }} |
{% endfor %}
The figures above were measured on the validation part before it was learned. The report of the evaluation, with
baselines and intervals on the test part, lies with the run.

## Answers

- `recommend` (also `serving_default`): `user_id [B]`, and as one may wish `k []` (10), `exclude_item_ids [B, E]`,
  `history_item_ids [B, T]` (items just taken), `allow_item_ids [B, A]` (only these), `categories [B, C]` (only items
  with one of them, `feature=value`), padded with "". Items that the user was observed with are left out.
- `score`: `user_id [B]`, `item_ids [B, N]`.
- `similar_items`: `item_id [B]`, `k []`.

An unknown user gets what is popular of late{% if by_features %}; a user known by features alone gets a list by those
features{% endif %}. An unknown item scores as an item that nobody took. An item without positives
{{ "is ranked by its features" if items_by_features else "has no taste and the least bias" }}.

## Hyperparameters

{% for field, value in hyperparameters.items() -%}
- `{{ field }}`: {{ value }}
{% endfor %}"""


def model_card(model: FittedModel, dataset: Any, seed: int | None, validation: dict[str, float]) -> str:
    """Markdown of the card.

    Args:
        model: The fitted model.
        dataset: The dataset's `DatasetSpec`.
        seed: The training's seed.
        validation: Validation metrics by name.
    """
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(CARD)
    positive = dataset.positive.model_dump(exclude_defaults=True)
    return template.render(
        name=model.name,
        dataset=dataset.name,
        users=int(model.data.user_known.sum()),
        items=int(model.data.item_known.sum()),
        catalogue=len(model.data.items) - 1,
        interactions=len(model.data.interactions),
        positives=len(model.data.positives),
        positive=", ".join(f"{key} {value}" for key, value in positive.items()) or "every interaction",
        seed=seed,
        validation=validation,
        by_features=model.network.uses_user_features and bool(model.data.users.infos),
        items_by_features=model.network.uses_item_features and bool(model.data.items.infos),
        hyperparameters=model.config.model_dump(mode="json"),
    )
