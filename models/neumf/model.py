"""Neural matrix factorization: a factorization and a perceptron under one output (He et al. 2017)."""

from collections.abc import Iterator
from typing import Any

import keras

from kuberec.features import EntityTable
from kuberec.training.layers import biases, embedding, pair_products, with_bias, with_one
from kuberec.training.network import Inputs, InteractionNetwork, RetrievalNetwork, Tensor, split_at

from .config import NeuMFConfig


class NeuMFNetwork(InteractionNetwork):
    """Score = w · [p_u * q_i, MLP(user, item)] + item bias.

    The perceptron's first layer is linear in the concatenation of a user's and an item's vector, so that each side's
    half of it is a table of its own, and only the sum of the halves is left to do for a pair.
    """

    def __init__(self, config: NeuMFConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.width = config.embedding_size, config.hidden_sizes[0]
        self.pretraining, self.factors_share = config.pretraining, config.factors_share
        self.fine_tuning = config.fine_tuning if config.pretraining else 1.0
        self.user_factors, self.item_factors = embedding(len(users), self.size), embedding(len(items), self.size)
        self.user_half, self.item_half = embedding(len(users), self.width), embedding(len(items), self.width)
        self.dropout = keras.layers.Dropout(config.dropout)
        self.item_bias = biases(len(items))
        self.hidden = [keras.layers.Dense(width, activation="relu") for width in config.hidden_sizes[1:]]
        self.factors_output = self.add_weight(shape=(self.size,), initializer="ones", name="factors_output")
        self.hidden_output = keras.layers.Dense(1, use_bias=False)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + hidden_sizes[0] + 1]`, the last entry 1 for the bias."""
        index = inputs["index"]
        vectors = keras.ops.concatenate([self.user_factors(index), self.user_half(index)], axis=-1)
        return with_one(self.dropout(vectors, training=training))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + hidden_sizes[0] + 1]`, the last entry the bias."""
        index = inputs["index"]
        vectors = keras.ops.concatenate([self.item_factors(index), self.item_half(index)], axis=-1)
        return with_bias(vectors, self.item_bias(index))

    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        """Both parts' outputs, added."""
        (user_factors, user_half), (item_factors, item_half) = split_at(users, self.size), split_at(items, self.size)
        return self.factorized(user_factors, item_factors) + self.perceived(user_half, item_half)

    def factorized(self, users: Tensor, items: Tensor) -> Tensor:
        """The weighted product of the factors."""
        return pair_products(users * self.factors_output, items)

    def perceived(self, users: Tensor, items: Tensor) -> Tensor:
        """The perceptron's output."""
        vectors = keras.ops.relu(users + items)
        for layer in self.hidden:
            vectors = layer(vectors)
        return keras.ops.squeeze(self.hidden_output(vectors), axis=-1)

    def parts(self) -> Iterator[RetrievalNetwork]:
        """The factorization alone, then the perceptron alone."""
        if self.pretraining:
            yield _Factorization(self)
            yield _Perceptron(self)

    def join_parts(self) -> None:
        """Weigh the parts' outputs, so that their sum starts between the two."""
        self.factors_output.assign(self.factors_output * self.factors_share)
        self.hidden_output.kernel.assign(self.hidden_output.kernel * (1 - self.factors_share))


class _Factorization(RetrievalNetwork):
    """The weighted product of the factors, which is a dot product: it is trained as one."""

    def __init__(self, whole: NeuMFNetwork) -> None:
        super().__init__()
        self.whole = whole

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        vectors = self.whole.encode_users(inputs, training=training)
        return with_one(vectors[:, : self.whole.size] * self.whole.factors_output)

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        vectors = self.whole.encode_items(inputs, training=training)
        return with_bias(vectors[:, : self.whole.size], vectors[:, -1:])


class _Perceptron(InteractionNetwork):
    """The perceptron over its own columns of the whole network's vectors, with the biases of the factorization."""

    def __init__(self, whole: NeuMFNetwork) -> None:
        super().__init__()
        self.whole = whole

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        return self.whole.encode_users(inputs, training=training)[:, self.whole.size :]

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        vectors = self.whole.encode_items(inputs, training=training)
        return with_bias(vectors[:, self.whole.size : -1], keras.ops.stop_gradient(vectors[:, -1:]))

    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        return self.whole.perceived(users, items)
