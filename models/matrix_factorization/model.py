"""Matrix factorization: one vector a user, one vector and one bias an item (Koren, Bell & Volinsky 2009)."""

from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.layers import biases, embedding, with_bias, with_one
from kuberec.training.network import Inputs, RetrievalNetwork, Tensor

from .config import MatrixFactorizationConfig


class MatrixFactorizationNetwork(RetrievalNetwork):
    """Score = user vector · item vector + item bias; the bias is the item vector's last dimension."""

    def __init__(
        self, config: MatrixFactorizationConfig, users: EntityTable, items: EntityTable, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.user_embedding = embedding(len(users), config.embedding_size)
        self.item_embedding = embedding(len(items), config.embedding_size)
        self.item_bias = biases(len(items))
        self.dropout = keras.layers.Dropout(config.dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the bias."""
        return with_one(self.dropout(self.user_embedding(inputs["index"]), training=training))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias."""
        return with_bias(self.item_embedding(inputs["index"]), self.item_bias(inputs["index"]))
