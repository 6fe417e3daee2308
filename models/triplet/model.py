"""Deep triplet network on implicit feedback: user and item towers over ids, features and history.

Users, positives and negatives meet in one space, in the line of FaceNet (Schroff et al. 2015) for the loss and of
Covington et al. 2016 for the tower over a user's history.
"""

from typing import Any

from kuberec.features import EntityTable
from kuberec.training.layers import (
    FeatureEmbeddings,
    IdDropout,
    Tower,
    biases,
    embed,
    embedding,
    with_bias,
    with_one,
)
from kuberec.training.network import Inputs, RetrievalNetwork, Tensor

from .config import TripletConfig


class TripletNetwork(RetrievalNetwork):
    """Score = user tower · item tower + item bias; the bias is the item vector's last dimension."""

    uses_user_features = True
    uses_item_features = True
    uses_history = True

    def __init__(self, config: TripletConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        size = config.embedding_size
        self.user_embedding = embedding(len(users), size)
        self.item_embedding = embedding(len(items), size)
        self.history_embedding = embedding(len(items), size)
        self.item_bias = biases(len(items))
        self.user_features = FeatureEmbeddings(users, size)
        self.item_features = FeatureEmbeddings(items, size)
        self.user_tower = Tower(config.hidden_sizes, size, config.dropout)
        self.item_tower = Tower(config.hidden_sizes, size, config.dropout)
        self.id_dropout = IdDropout(config.id_dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the item's bias."""
        total = self.user_embedding(self.id_dropout(inputs["index"], training=training))
        total = total + embed(self.history_embedding, inputs["history"]) + self.user_features(inputs)
        return with_one(self.user_tower(total, training=training))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias."""
        index = self.id_dropout(inputs["index"], training=training)
        vectors = self.item_tower(self.item_embedding(index) + self.item_features(inputs), training=training)
        return with_bias(vectors, self.item_bias(index))
