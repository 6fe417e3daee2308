"""Deep triplet network on implicit feedback: user and item towers over ids, features and history.

Users, positives and negatives meet in one space, in the line of FaceNet (Schroff et al. 2015) for the loss and of
Covington et al. 2016 for the tower over a user's history.
"""

from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.network import FeatureEmbeddings, Inputs, RetrievalNetwork, Tensor, embed

from .config import TripletConfig

INITIAL_DEVIATION = 0.05


class TripletNetwork(RetrievalNetwork):
    """Score = user tower · item tower + item bias; the bias is the item vector's last dimension."""

    uses_user_features = True
    uses_item_features = True
    uses_history = True

    def __init__(self, config: TripletConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        size = config.embedding_size
        normal = keras.initializers.RandomNormal(stddev=INITIAL_DEVIATION)
        self.user_embedding = keras.layers.Embedding(len(users), size, embeddings_initializer=normal.clone())
        self.item_embedding = keras.layers.Embedding(len(items), size, embeddings_initializer=normal.clone())
        self.history_embedding = keras.layers.Embedding(len(items), size, embeddings_initializer=normal.clone())
        self.item_bias = keras.layers.Embedding(len(items), 1, embeddings_initializer="zeros")
        self.user_features = FeatureEmbeddings(users, size)
        self.item_features = FeatureEmbeddings(items, size)
        self.user_tower = Tower(config.hidden_sizes, size, config.dropout)
        self.item_tower = Tower(config.hidden_sizes, size, config.dropout)
        self.id_dropout = config.id_dropout
        self.random = keras.random.SeedGenerator(0)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the item's bias."""
        total = self.user_embedding(self._hidden(inputs["index"], training))
        total = total + embed(self.history_embedding, inputs["history"]) + self.user_features(inputs)
        vectors = self.user_tower(total, training=training)
        return keras.ops.concatenate([vectors, keras.ops.ones_like(vectors[:, :1])], axis=-1)

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias."""
        index = self._hidden(inputs["index"], training)
        vectors = self.item_tower(self.item_embedding(index) + self.item_features(inputs), training=training)
        return keras.ops.concatenate([vectors, self.item_bias(index)], axis=-1)

    def _hidden(self, index: Tensor, training: bool) -> Tensor:
        """The indices, in training some of them replaced by 0, the unknown."""
        if not training or not self.id_dropout:
            return index
        keep = keras.random.uniform(keras.ops.shape(index), seed=self.random) >= self.id_dropout
        return keras.ops.where(keep, index, 0)


class Tower(keras.layers.Layer):
    """A residual multi-layer perceptron: input + MLP(input), both `[B, size]`."""

    def __init__(self, hidden_sizes: tuple[int, ...], size: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = keras.layers.Dropout(dropout)
        self.hidden = [keras.layers.Dense(width, activation="relu") for width in hidden_sizes]
        self.output_layer = keras.layers.Dense(size, kernel_initializer="zeros") if hidden_sizes else None

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Vectors `[B, size]`."""
        vectors = self.dropout(inputs, training=training)
        if self.output_layer is None:
            return vectors
        deep = vectors
        for layer in self.hidden:
            deep = layer(deep)
        return vectors + self.output_layer(deep)
