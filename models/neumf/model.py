"""Neural matrix factorization: a factorization and a perceptron under one output (He et al. 2017)."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.layers import embedding, with_bias, with_one
from kuberec.training.network import Inputs, InteractionNetwork, RetrievalNetwork, Tensor

from .config import NeuMFConfig


class NeuMFNetwork(InteractionNetwork):
    """Score = w · [p_u * q_i, MLP(user, item)] + item bias.

    The perceptron's first layer is linear in the concatenation of a user's and an item's vector, so that each side's
    half of it is a table of its own, and only the sum of the halves is left to do for a pair.
    """

    def __init__(self, config: NeuMFConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.width = config.embedding_size, config.hidden_sizes[0]
        self.pretraining = config.pretraining
        self.user_factors, self.item_factors = embedding(len(users), self.size), embedding(len(items), self.size)
        self.user_half, self.item_half = embedding(len(users), self.width), embedding(len(items), self.width)
        self.item_bias = keras.layers.Embedding(len(items), 1, embeddings_initializer="zeros")
        self.hidden = [keras.layers.Dense(width, activation="relu") for width in config.hidden_sizes[1:]]
        self.factors_output = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        self.hidden_output = keras.layers.Dense(1, use_bias=False)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + hidden_sizes[0] + 1]`, the last entry 1 for the bias."""
        index = inputs["index"]
        return with_one(keras.ops.concatenate([self.user_factors(index), self.user_half(index)], axis=-1))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + hidden_sizes[0] + 1]`, the last entry the bias."""
        index = inputs["index"]
        vectors = keras.ops.concatenate([self.item_factors(index), self.item_half(index)], axis=-1)
        return with_bias(vectors, self.item_bias(index))

    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        """Both parts' outputs, added."""
        size = self.size
        return self.factorized(users[..., :size], items[..., :size]) + self.perceived(
            users[..., size:], items[..., size:]
        )

    def factorized(self, users: Tensor, items: Tensor) -> Tensor:
        """The weighted product of the factors."""
        return keras.ops.squeeze(self.factors_output(users * items), axis=-1)

    def perceived(self, users: Tensor, items: Tensor) -> Tensor:
        """The perceptron's output."""
        vectors = keras.ops.relu(users + items)
        for layer in self.hidden:
            vectors = layer(vectors)
        return keras.ops.squeeze(self.hidden_output(vectors), axis=-1)

    def parts(self) -> Iterator[RetrievalNetwork]:
        """The factorization alone, then the perceptron alone."""
        if self.pretraining:
            yield _Part(self, slice(0, self.size), self.factorized)
            yield _Part(self, slice(self.size, -1), self.perceived)

    def join_parts(self) -> None:
        """Halve each part's output, so that their sum starts between the two."""
        for layer in (self.factors_output, self.hidden_output):
            layer.kernel.assign(layer.kernel / 2)


class _Part(InteractionNetwork):
    """One of the two parts, over the columns of the whole network's vectors that it reads."""

    def __init__(self, whole: NeuMFNetwork, columns: slice, taste: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.whole, self.columns, self._taste = whole, columns, taste

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        return with_one(self.whole.encode_users(inputs, training=training)[:, self.columns])

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        vectors = self.whole.encode_items(inputs, training=training)
        return with_bias(vectors[:, self.columns], vectors[:, -1:])

    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        return self._taste(users, items)
