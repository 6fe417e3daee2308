"""Layers that several families share."""

from collections.abc import Callable
from typing import Any

import keras

from kuberec.features import EntityTable, FeatureInfo
from kuberec.schema import FeatureType
from kuberec.training.network import Inputs, Tensor

INITIAL_DEVIATION = 0.05
DENSE_TYPES = (FeatureType.NUMERIC, FeatureType.EMBEDDING)


class FeatureEmbeddings(keras.layers.Layer):
    """One embedding a feature: categorical looked up, multi-categorical and text averaged, the others multiplied.

    Args:
        table: Users or items; only the features' names, types and sizes are used.
        size: Length of the embeddings.
    """

    def __init__(self, table: EntityTable, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Keras tracks layers in a dictionary under string keys, so a feature's name is its layer's key.
        self.layers_by_feature = {name: _feature_layer(info, size) for name, info in table.infos.items()}
        self.widths = {name: info.size if info.type in DENSE_TYPES else 1 for name, info in table.infos.items()}

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; shapes are known from the construction."""
        for name, layer in self.layers_by_feature.items():
            layer.build((None, self.widths[name]))
        self.built = True

    def call(self, inputs: Inputs) -> Tensor:
        """The sum of the embeddings, `[B, size]`; zeros where every feature is missing."""
        return sum(self.vectors(inputs))

    def vectors(self, inputs: Inputs) -> list[Tensor]:
        """The embeddings `[B, size]`, one a feature."""
        return [embed(layer, inputs[name]) for name, layer in self.layers_by_feature.items()]


def embed(layer: keras.layers.Layer, codes: Tensor) -> Tensor:
    """Vectors of codes `[B]` or of the mean over codes `[B, width]`, without the padding 0."""
    if isinstance(layer, keras.layers.Dense):
        return layer(codes if len(codes.shape) == 2 else keras.ops.expand_dims(codes, -1))
    if len(codes.shape) == 2:
        return mean_of_row(layer, codes)
    vectors = layer(codes)
    return vectors * keras.ops.expand_dims(keras.ops.cast(codes != 0, vectors.dtype), -1)


def mean_of_row(encode: Callable[[Tensor], Tensor], codes: Tensor) -> Tensor:
    """Means `[B, size]` of the vectors of each row's codes `[B, width]`; zeros for a row of padding 0 alone.

    The padding is left out before anything is encoded: titles and histories are padding for the most part.

    Args:
        encode: Gives the vectors `[N, size]` of codes `[N]`.
        codes: int32.
    """
    ops = keras.ops
    n_rows, width = ops.shape(codes)
    flat = ops.reshape(codes, (-1,))
    (place,) = ops.nonzero(flat)
    vectors = encode(ops.take(flat, place))
    total = ops.segment_sum(vectors, place // width, num_segments=n_rows)
    count = ops.sum(ops.cast(codes != 0, vectors.dtype), axis=1, keepdims=True)
    return total / ops.maximum(count, 1.0)


class Embedding(keras.layers.Embedding):
    """An embedding that reads no more of its table than the rows asked for.

    Keras reads the whole table first. After an update of some rows, TensorFlow copies what is read as a whole: a step
    would cost as much as the table is large.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Vectors `[..., size]` of codes `[...]`."""
        table = self.embeddings.value
        return table.sparse_read(inputs) if hasattr(table, "sparse_read") else keras.ops.take(table, inputs, axis=0)


def embedding(rows: int, size: int) -> Embedding:
    """A table of small random vectors."""
    return Embedding(rows, size, embeddings_initializer=keras.initializers.RandomNormal(stddev=INITIAL_DEVIATION))


def biases(rows: int) -> Embedding:
    """A table of numbers, zeros at first."""
    return Embedding(rows, 1, embeddings_initializer="zeros")


class EntityEmbeddings(keras.layers.Layer):
    """The embeddings of ids and of their features, not yet combined.

    Args:
        table: Users or items.
        size: Length of the embeddings.
        dropout: Share of the entries that a training step blanks.
    """

    def __init__(self, table: EntityTable, size: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ids = embedding(len(table), size)
        self.features = FeatureEmbeddings(table, size)
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; shapes are known from the construction."""
        self.ids.build((None,))
        self.features.build()
        self.built = True

    def call(self, index: Tensor, inputs: Inputs, training: bool = False) -> Tensor:
        """Embeddings `[B, 1 + features, size]` of the ids `index` `[B]` and of the features in `inputs`."""
        vectors = keras.ops.stack([self.ids(index), *self.features.vectors(inputs)], axis=1)
        return self.dropout(vectors, training=training)


class IdDropout(keras.layers.Layer):
    """Treats some ids as unknown in training, so that features and histories are learned.

    Args:
        rate: Share of the ids.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.random = keras.random.SeedGenerator(0)

    def call(self, index: Tensor, training: bool = False) -> Tensor:
        """The indices, in training some of them replaced by 0, the unknown."""
        if not training or not self.rate:
            return index
        keep = keras.random.uniform(keras.ops.shape(index), seed=self.random) >= self.rate
        return keras.ops.where(keep, index, 0)


class Tower(keras.layers.Layer):
    """A residual multi-layer perceptron: input + MLP(input), both `[B, size]`.

    Args:
        hidden_sizes: Widths of the hidden layers; without any, the input is returned.
        size: Width of the input and the output.
        dropout: Share of the input's entries that a training step blanks.
    """

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


def with_bias(vectors: Tensor, bias: Tensor) -> Tensor:
    """Item vectors `[B, size + 1]` from vectors `[B, size]` and biases `[B, 1]`."""
    return keras.ops.concatenate([vectors, bias], axis=-1)


def with_one(vectors: Tensor) -> Tensor:
    """User vectors `[B, size + 1]` whose last entry, 1, meets the item's bias."""
    return keras.ops.concatenate([vectors, keras.ops.ones_like(vectors[:, :1])], axis=-1)


def pair_products(users: Tensor, items: Tensor) -> Tensor:
    """Dot products `[...]` of vectors `[..., d]` that broadcast.

    Those of all pairs, of `[B, 1, d]` and `[1, M, d]`, are one matrix product: no `[B, M, d]` is held.
    """
    ops = keras.ops
    if len(users.shape) == 3 and users.shape[1] == 1 and items.shape[0] == 1:
        return ops.matmul(users[:, 0], ops.transpose(items[0]))
    return ops.sum(users * items, axis=-1)


def _feature_layer(info: FeatureInfo, size: int) -> keras.layers.Layer:
    if info.type in DENSE_TYPES:
        return keras.layers.Dense(size, use_bias=False)
    return embedding(info.size, size)
