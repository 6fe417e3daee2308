"""What a family's network must offer: vectors of users, items and sessions, and the score of two vectors."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:  # the networks run without TensorFlow
    from kuberec.training.data import TrainingData

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
    scores_log_odds = True
    """Whether a score is a logarithm of odds, to which a change of the item's prior can be added."""
    stores_users = True
    """Whether an export stores the user vectors; else they are as long as the catalogue, and each is made of the user's
    history when asked."""
    similar_by_history = False
    """Whether what is similar to an item is what a history of it alone scores high; else what has a vector of the least
    angle to its own."""
    is_dot_product = True
    """Whether `interact` is the dot product; then the whole catalogue is scored by one matrix product."""

    pretraining = 0
    """Passes over the positives that each of the `parts` is trained for before the whole."""
    fine_tuning = 1.0
    """Share of the learning rate at which this network is trained: less than 1 keeps what the parts have learned."""

    @abstractmethod
    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """User vectors `[B, dimension]` float32, the last entry 1: it meets the item's bias."""

    @abstractmethod
    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Item vectors `[B, dimension]` float32, the last entry the item's bias."""

    @property
    def user_variables(self) -> list[Any]:
        """The variables that an export needs to encode users."""
        return list(self.variables)

    def unknown_bias(self, known: Tensor) -> Tensor:
        """The bias of an item without positives, from the vectors `[M, dimension]` of those with: their least bias."""
        return keras.ops.min(known[:, -1])

    def interact(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores `[...]` of user and item vectors `[..., dimension]` that broadcast against each other."""
        return keras.ops.sum(users * items, axis=-1)

    def cross(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores `[B, M]` of every user vector `[B, dimension]` with every item vector `[M, dimension]`."""
        return keras.ops.matmul(users, keras.ops.transpose(items))

    def parts(self) -> Iterator["RetrievalNetwork"]:
        """Networks over the same weights that are trained one after the other before the whole; none by default."""
        return iter(())

    def join_parts(self) -> None:
        """Set the weights that join the trained parts."""

    def call(self, users: Inputs, items: Inputs, training: bool = False) -> Tensor:
        """Scores `[B]` of user b with item b."""
        return self.interact(self.encode_users(users, training=training), self.encode_items(items, training=training))


class ClosedForm(ABC):
    """What a network adds whose weights are solved for and not trained."""

    @abstractmethod
    def statistics(self, data: "TrainingData") -> Any:
        """What of the data every candidate is solved from; made once."""

    @abstractmethod
    def solve(self, statistics: Any, candidate: Mapping[str, Any], seed: int) -> None:
        """Set the weights.

        Args:
            statistics: What `statistics` made of the data.
            candidate: One of the configuration's `candidates`.
            seed: Of everything random.
        """


class InteractionNetwork(RetrievalNetwork):
    """Two towers whose vectors meet in a network of their own; the biases are added as in a dot product.

    A vector of zeros, but for its last entry, has no taste: it scores by its bias alone.
    """

    is_dot_product = False

    @abstractmethod
    def taste(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores `[...]` of vectors `[..., dimension - 1]`, the biases left out; they broadcast."""

    def interact(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores `[...]`: taste where both have one, and the bias."""
        ops = keras.ops
        (users, user_bias), (items, item_bias) = split_at(users, -1), split_at(items, -1)
        both = ops.logical_and(_has_taste(users), _has_taste(items))
        taste = ops.where(both, self.taste(users, items), 0.0)
        return taste + ops.squeeze(user_bias * item_bias, axis=-1)

    def cross(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores `[B, M]` of every user vector with every item vector."""
        return self.interact(keras.ops.expand_dims(users, 1), keras.ops.expand_dims(items, 0))


def split_at(vectors: Tensor, column: int) -> tuple[Tensor, Tensor]:
    """The columns of `[..., d]` before one, counted from the end where negative, and from it on.

    Two slices would cost twice as much in the gradient.
    """
    start = column if column >= 0 else vectors.shape[-1] + column
    before, after = keras.ops.split(vectors, [start], axis=-1)
    return before, after


def _has_taste(vectors: Tensor) -> Tensor:
    return keras.ops.any(vectors != 0, axis=-1)
