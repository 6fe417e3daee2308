"""Alternating least squares on implicit feedback (Hu, Koren & Volinsky 2008), solved by the library `implicit`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from kuberec.features import EntityTable
from kuberec.training.layers import embedding, with_bias, with_one
from kuberec.training.network import ClosedForm, Inputs, RetrievalNetwork, Tensor

from .config import ALSConfig

if TYPE_CHECKING:  # the networks run without TensorFlow
    from kuberec.training.data import TrainingData


class ALSNetwork(RetrievalNetwork, ClosedForm):
    """Score = user vector · item vector, near 1 for what a user takes and near 0 for what not; there is no bias."""

    scores_log_odds = False

    def __init__(self, config: ALSConfig, users: EntityTable, items: EntityTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.user_embedding = embedding(len(users), config.embedding_size)
        self.item_embedding = embedding(len(items), config.embedding_size)

    def encode_users(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 1."""
        return with_one(self.user_embedding(inputs["index"]))

    def encode_items(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Vectors `[B, embedding_size + 1]`, the last entry 0."""
        vectors = self.item_embedding(inputs["index"])
        return with_bias(vectors, keras.ops.zeros_like(vectors[:, :1]))

    def statistics(self, data: "TrainingData") -> csr_matrix:
        """Who took what."""
        return data.positive_matrix

    def solve(self, statistics: csr_matrix, candidate: Mapping[str, Any], seed: int) -> None:
        """Alternate; the unknown user and item, who have no positive, end at zeros."""
        settings = {"factors": self.config.embedding_size, "iterations": self.config.iterations, **candidate}
        # One BLAS thread: implicit brings its own threads, and sums do not depend on the number of cores.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**settings, random_state=seed, num_threads=0)
            model.fit(statistics, show_progress=False)
        self.user_embedding.embeddings.assign(model.user_factors)
        self.item_embedding.embeddings.assign(model.item_factors)
