"""The signatures of the SavedModel contract, with defaults for every input that may be left out."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kuberec.exporting.graph import ServingGraph

DEFAULT_K = 10
SERVING_DEFAULT = "serving_default"
RECOMMEND = "recommend"
SCORE = "score"
SIMILAR_ITEMS = "similar_items"


def signatures(graph: ServingGraph) -> dict[str, Callable[..., Any]]:
    """The functions to save, by signature name; `serving_default` is `recommend`.

    An input of `recommend` with one row, such as a default, holds for every user of the request.
    """
    k = tf.constant(DEFAULT_K)
    nothing = tf.zeros([1, 0], tf.string)
    ids, lists, number = _spec("string", None), _spec("string", None, None), _spec("int32")

    @tf.function(input_signature=[ids, number, lists, lists, lists, lists], autograph=False)
    def recommend(
        user_id: tf.Tensor,
        k: tf.Tensor = k,
        exclude_item_ids: tf.Tensor = nothing,
        history_item_ids: tf.Tensor = nothing,
        allow_item_ids: tf.Tensor = nothing,
        categories: tf.Tensor = nothing,
    ) -> dict[str, tf.Tensor]:
        return graph.recommend(user_id, k, exclude_item_ids, history_item_ids, allow_item_ids, categories)

    @tf.function(input_signature=[ids, lists], autograph=False)
    def score(user_id: tf.Tensor, item_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return graph.score(user_id, item_ids)

    @tf.function(input_signature=[ids, number], autograph=False)
    def similar_items(item_id: tf.Tensor, k: tf.Tensor = k) -> dict[str, tf.Tensor]:
        return graph.similar_items(item_id, k)

    return {SERVING_DEFAULT: recommend, RECOMMEND: recommend, SCORE: score, SIMILAR_ITEMS: similar_items}


def _spec(dtype: str, *shape: int | None) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.as_dtype(dtype))
