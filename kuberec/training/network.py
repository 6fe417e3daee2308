"""What a family's network must offer: vectors of users, items and sessions whose dot product is the score."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import keras

from kuberec.features import EntityTable

Tensor = Any
Inputs = Mapping[str, Tensor]
"""Batch of users or items by input name: `index` int32 `[B]`, each feature under its own name, and for users
`history` int32 `[B, T]`, the indices of the items they took, padded with 0."""


class RetrievalNetwork(keras.Model, ABC):
    """Two towers: the score of a user and an item is the dot product of their vectors.

    Index 0 stands for the unknown user or item, and the towers must give a sensible vector for it.
    """

    uses_user_features = False
    """Whether a user without positives gets a personal vector from their features."""
    uses_item_features = False
    """Whether an item without positives gets a vector from its features."""
    uses_history = False
    """Whether the user tower reads `history`; then a session is a user with that history."""

    @abstractmethod
    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """User vectors `[B, dimension]` float32, the last entry 1: it meets the item's bias."""

    @abstractmethod
    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Item vectors `[B, dimension]` float32, the last entry the item's bias."""

    def call(self, users: Inputs, items: Inputs, training: bool = False) -> Tensor:
        """Scores `[B]` of user b with item b."""
        return keras.ops.sum(
            self.encode_users(users, training=training) * self.encode_items(items, training=training), axis=-1
        )


class FeatureEmbeddings(keras.layers.Layer):
    """The sum of one embedding a feature: categorical looked up, multi-categorical averaged, numeric scaled.

    Args:
        table: Users or items; only the features' names and sizes are used.
        size: Length of the embeddings.
    """

    def __init__(self, table: EntityTable, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Keras tracks layers in a dictionary under string keys, so a feature's name is its layer's key.
        self.layers_by_feature = {name: _feature_layer(info.size, size) for name, info in table.infos.items()}

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; shapes are known from the construction."""
        for layer in self.layers_by_feature.values():
            layer.build((None, 1))
        self.built = True

    def call(self, inputs: Inputs) -> Tensor:
        """Vectors `[B, size]`; zeros where every feature is missing."""
        return sum(embed(layer, inputs[name]) for name, layer in self.layers_by_feature.items())


def embed(layer: keras.layers.Layer, codes: Tensor) -> Tensor:
    """Vectors of codes `[B]` or of the mean over codes `[B, width]`, without the padding 0."""
    if isinstance(layer, keras.layers.Dense):
        return layer(keras.ops.expand_dims(codes, -1))
    vectors = layer(codes)
    mask = keras.ops.expand_dims(keras.ops.cast(codes != 0, vectors.dtype), -1)
    vectors = vectors * mask
    if len(codes.shape) == 1:
        return vectors
    return keras.ops.sum(vectors, axis=1) / keras.ops.maximum(keras.ops.sum(mask, axis=1), 1.0)


def _feature_layer(codes: int, size: int) -> keras.layers.Layer:
    if codes == 1:
        return keras.layers.Dense(size, use_bias=False)
    return keras.layers.Embedding(codes, size, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05))
