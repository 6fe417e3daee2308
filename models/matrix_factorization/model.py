"""Matrix factorization: one vector a user, one vector and one bias an item (Koren, Bell & Volinsky 2009)."""

from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.network import Inputs, RetrievalNetwork, Tensor

from .config import MatrixFactorizationConfig

INITIAL_DEVIATION = 0.05


class MatrixFactorizationNetwork(RetrievalNetwork):
    """Score = user vector · item vector + item bias; the bias is the item vector's last dimension."""

    def __init__(
        self, config: MatrixFactorizationConfig, users: EntityTable, items: EntityTable, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        normal = keras.initializers.RandomNormal
        size = config.embedding_size
        self.user_embedding = keras.layers.Embedding(
            len(users), size, embeddings_initializer=normal(stddev=INITIAL_DEVIATION), name="users"
        )
        self.item_embedding = keras.layers.Embedding(
            len(items), size, embeddings_initializer=normal(stddev=INITIAL_DEVIATION), name="items"
        )
        self.item_bias = keras.layers.Embedding(len(items), 1, embeddings_initializer="zeros", name="item_bias")
        self.dropout = keras.layers.Dropout(config.dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the bias."""
        vectors = self.dropout(self.user_embedding(inputs["index"]), training=training)
        return keras.ops.concatenate([vectors, keras.ops.ones_like(vectors[:, :1])], axis=-1)

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias."""
        return keras.ops.concatenate([self.item_embedding(inputs["index"]), self.item_bias(inputs["index"])], axis=-1)
