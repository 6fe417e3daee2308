"""Content-based: items are their features, users the items they took; nothing is learned of an id.

A user's profile is the mean of the vectors of their items (Pazzani & Billsus 2007), here with learned vectors.
"""

from typing import Any

import keras

from kuberec.errors import ModelError
from kuberec.features import EntityTable
from kuberec.training.layers import FeatureEmbeddings, Tower, mean_of_row, with_bias, with_one
from kuberec.training.network import Inputs, RetrievalNetwork, Tensor

from .config import ContentBasedConfig


class ContentBasedNetwork(RetrievalNetwork):
    """Score = user tower · item tower + item bias; the bias is the item vector's last dimension.

    Raises:
        ModelError: The items have no features.
    """

    uses_item_features = True
    uses_history = True

    def __init__(self, config: ContentBasedConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not items.infos:
            raise ModelError(
                "content_based expects features of the items, and the dataset has none. Name some under `items: "
                "features:` in the dataset.yaml, or train a family that learns from ids, such as matrix_factorization."
            )
        del users  # known by their histories alone
        self.size = config.embedding_size
        self.item_columns = {
            name: self.add_weight(shape=column.shape, initializer="zeros", dtype=column.dtype.name, trainable=False)
            for name, column in items.columns.items()
        }
        for name, column in items.columns.items():
            self.item_columns[name].assign(column)
        self.item_features = FeatureEmbeddings(items, self.size)
        self.feature_bias = FeatureEmbeddings(items, 1)
        self.item_tower = Tower(config.hidden_sizes, self.size, config.dropout)
        self.user_tower = Tower(config.hidden_sizes, self.size, config.dropout)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1 for the item's bias."""
        mean = mean_of_row(lambda items: self._liked(items, training), inputs["history"])
        return with_one(self.user_tower(mean, training=training))

    def _liked(self, items: Tensor, training: bool) -> Tensor:
        """Vectors `[N, embedding_size]` of items `[N]`, each encoded once."""
        distinct, place = keras.ops.unique(items, return_inverse=True)
        columns = {name: keras.ops.take(column, distinct, axis=0) for name, column in self.item_columns.items()}
        return keras.ops.take(self.item_tower(self.item_features(columns), training=training), place, axis=0)

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry the bias of the features."""
        vectors = self.item_tower(self.item_features(inputs), training=training)
        return with_bias(vectors, self.feature_bias(inputs))
