"""Wide and deep: a linear model of crossed features beside a perceptron over embeddings (Cheng et al. 2016)."""

from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.schema import FeatureType
from kuberec.training.layers import (
    EntityEmbeddings,
    FeatureEmbeddings,
    IdDropout,
    biases,
    embedding,
    pair_products,
    with_bias,
    with_one,
)
from kuberec.training.network import Inputs, InteractionNetwork, Tensor, split_at

from .config import WideDeepConfig

CROSSED_TYPES = (FeatureType.CATEGORICAL, FeatureType.MULTI_CATEGORICAL)
MOST_CODES = 1000
"""An item feature of more codes is left out of the crosses: each code costs one weight a user."""


class WideDeepNetwork(InteractionNetwork):
    """Score = wide + deep + item bias.

    - Wide: one weight for each pair of a user's id or feature and a code of an item's feature. The user vector holds
      the weights of all codes, the item vector says which codes the item has; their product is the sum over the pairs.
    - Deep: the perceptron's first layer is linear in the concatenation of the user's and the item's embeddings, so that
      each vector holds its half of it, and only the sum of the halves is left to do for a pair.
    """

    uses_user_features = True
    uses_item_features = True

    def __init__(self, config: WideDeepConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = config.hidden_sizes[0]
        self.user_embeddings = EntityEmbeddings(users, config.embedding_size, config.dropout)
        self.item_embeddings = EntityEmbeddings(items, config.embedding_size, config.dropout)
        self.flatten = keras.layers.Flatten()
        self.user_half = keras.layers.Dense(self.width)
        self.item_half = keras.layers.Dense(self.width, use_bias=False)
        self.hidden = [keras.layers.Dense(width, activation="relu") for width in config.hidden_sizes[1:]]
        self.deep_output = keras.layers.Dense(1, use_bias=False)
        self.crossed = {name: info.size for name, info in items.infos.items() if _is_crossed(info.type, info.size)}
        codes = sum(size - 1 for size in self.crossed.values())  # without the missing one
        self.wide: list[Any] = [embedding(len(users), codes), FeatureEmbeddings(users, codes)] if codes else []
        self.item_bias = biases(len(items))
        self.feature_bias = FeatureEmbeddings(items, 1)
        self.id_dropout = IdDropout(config.id_dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, hidden_sizes[0] + codes + 1]`, the last entry 1 for the bias."""
        index = self.id_dropout(inputs["index"], training=training)
        parts = [self.user_half(self.flatten(self.user_embeddings(index, inputs, training=training)))]
        if self.wide:
            of_id, of_features = self.wide
            parts.append(of_id(index) + of_features(inputs))
        return with_one(keras.ops.concatenate(parts, axis=-1))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, hidden_sizes[0] + codes + 1]`, the last entry the bias of the id and of the features."""
        index = self.id_dropout(inputs["index"], training=training)
        half = self.item_half(self.flatten(self.item_embeddings(index, inputs, training=training)))
        codes = [_multi_hot(inputs[name], size) for name, size in self.crossed.items()]
        bias = self.item_bias(index) + self.feature_bias(inputs)
        return with_bias(keras.ops.concatenate([half, *codes], axis=-1), bias)

    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        """Both parts' outputs, added."""
        (user_half, user_wide), (item_half, item_wide) = split_at(users, self.width), split_at(items, self.width)
        deep = keras.ops.relu(user_half + item_half)
        for layer in self.hidden:
            deep = layer(deep)
        return keras.ops.squeeze(self.deep_output(deep), axis=-1) + pair_products(user_wide, item_wide)


def _is_crossed(kind: FeatureType, size: int) -> bool:
    return kind in CROSSED_TYPES and 1 < size <= MOST_CODES


def _multi_hot(codes: Tensor, size: int) -> Tensor:
    """Which of the codes 1, 2, … are among `codes` `[B]` or `[B, n]`: `[B, size - 1]` float32."""
    if len(codes.shape) == 1:
        codes = keras.ops.expand_dims(codes, -1)
    return keras.ops.multi_hot(codes, size, dtype="float32")[:, 1:]
