"""Two towers over ids and features: a factorization of users and items by metadata, and a perceptron on top.

The sum of the embeddings of an id and its features is the vector of Kula 2015 (*Metadata Embeddings for User and Item
Cold-start Recommendations*); the perceptron over their concatenation makes the tower of Yi et al. 2019.
"""

from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.layers import EntityEmbeddings, FeatureEmbeddings, IdDropout, biases, with_bias, with_one
from kuberec.training.network import Inputs, RetrievalNetwork, Tensor

from .config import TwoTowerConfig


class TwoTowerNetwork(RetrievalNetwork):
    """Score = user tower · item tower + item bias; the bias is the item vector's last dimension."""

    uses_user_features = True
    uses_item_features = True

    def __init__(self, config: TwoTowerConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        size = config.embedding_size
        self.user_embeddings = EntityEmbeddings(users, size, config.dropout)
        self.item_embeddings = EntityEmbeddings(items, size, config.dropout)
        self.user_tower = ResidualTower(config.hidden_sizes, size)
        self.item_tower = ResidualTower(config.hidden_sizes, size)
        self.item_bias = biases(len(items))
        self.feature_bias = FeatureEmbeddings(items, 1)
        self.id_dropout = IdDropout(config.id_dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the item's bias."""
        index = self.id_dropout(inputs["index"], training=training)
        return with_one(self.user_tower(self.user_embeddings(index, inputs, training=training)))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias of the id and of the features."""
        index = self.id_dropout(inputs["index"], training=training)
        vectors = self.item_tower(self.item_embeddings(index, inputs, training=training))
        return with_bias(vectors, self.item_bias(index) + self.feature_bias(inputs))


class ResidualTower(keras.layers.Layer):
    """The sum of embeddings plus a multi-layer perceptron over their concatenation.

    Args:
        hidden_sizes: Widths of the hidden layers.
        size: Length of the embeddings and of the output.
    """

    def __init__(self, hidden_sizes: tuple[int, ...], size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flatten = keras.layers.Flatten()
        self.hidden = [keras.layers.Dense(width, activation="relu") for width in hidden_sizes]
        self.output_layer = keras.layers.Dense(size, kernel_initializer="zeros")

    def call(self, embeddings: Tensor) -> Tensor:
        """Vectors `[B, size]` of embeddings `[B, n, size]`."""
        deep = self.flatten(embeddings)
        for layer in self.hidden:
            deep = layer(deep)
        return keras.ops.sum(embeddings, axis=1) + self.output_layer(deep)
