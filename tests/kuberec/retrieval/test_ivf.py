from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from kuberec.retrieval.clusters import SPARE, Clusters, cluster
from kuberec.retrieval.ivf import InvertedFile

Array = npt.NDArray[Any]
ITEMS, DIMENSION, COUNT = 2000, 16, 25


@pytest.fixture(scope="module")
def vectors() -> Array:
    """Row 0 is no item; the others lie around centres of very different popularity, so that clusters overflow."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(COUNT, DIMENSION))
    share = np.arange(1, COUNT + 1) / np.arange(1, COUNT + 1).sum()
    rows = centres[rng.choice(COUNT, ITEMS, p=share)] + 0.1 * rng.normal(size=(ITEMS, DIMENSION))
    return np.asarray(np.concatenate([np.zeros((1, DIMENSION)), rows]), dtype=np.float32)


@pytest.fixture(scope="module")
def clusters(vectors: Array) -> Clusters:
    return cluster(vectors[1:], COUNT, seed=5)


def ask(index: InvertedFile, queries: Array, k: int, excluded: Array) -> tuple[Array, Array]:
    @tf.function
    def answer() -> Any:
        asked = tf.constant(queries)
        return index.top_k(asked, index.probes(asked), tf.constant(k), tf.constant(excluded))

    scores, items = answer()
    return scores.numpy(), items.numpy()


def test_every_vector_is_in_one_cluster_of_bounded_size(clusters: Clusters) -> None:
    members = clusters.members
    assert sorted(members[members >= 0].tolist()) == list(range(ITEMS))
    assert members.shape == (COUNT, SPARE * ITEMS / COUNT)


def test_the_seed_decides(vectors: Array, clusters: Clusters) -> None:
    again, other = cluster(vectors[1:], COUNT, seed=5), cluster(vectors[1:], COUNT, seed=6)
    np.testing.assert_array_equal(again.members, clusters.members)
    np.testing.assert_array_equal(again.centroids, clusters.centroids)
    assert (other.members != clusters.members).any()


@pytest.mark.parametrize("count", [1, 7, 40])
def test_equal_vectors_overflow_into_what_is_left(count: int) -> None:
    members = cluster(np.ones((40, 2), np.float32), count, seed=0).members
    assert sorted(members[members >= 0].tolist()) == list(range(40))


def test_all_clusters_together_are_exact(vectors: Array, clusters: Clusters) -> None:
    queries = np.random.default_rng(1).normal(size=(4, DIMENSION)).astype(np.float32)
    excluded = np.array([[5, 0, 7], [0, 0, 0], [1, 2, 3], [9, 9, 9]], dtype=np.int32)
    expected = queries @ vectors.T
    expected[:, 0] = -np.inf
    np.put_along_axis(expected, excluded, -np.inf, axis=1)
    scores, items = ask(InvertedFile(vectors, clusters, COUNT), queries, ITEMS - 3, excluded)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, : ITEMS - 3], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, items, axis=1), scores, rtol=1e-5, atol=1e-5)


def test_what_is_excluded_is_left_out_in_and_outside_of_the_probes(vectors: Array, clusters: Clusters) -> None:
    index, queries = InvertedFile(vectors, clusters, 3), vectors[1:9]
    _, full = ask(index, queries, 6, np.zeros((8, 0), np.int32))
    far = np.argsort(queries @ vectors.T, axis=1)[:, :2].astype(np.int32)
    _, rest = ask(index, queries, 3, np.concatenate([far, full[:, [1, 0, 2]]], axis=1))
    np.testing.assert_array_equal(rest, full[:, 3:])


def test_enough_counts_items_and_not_places(vectors: Array, clusters: Clusters) -> None:
    index, queries = InvertedFile(vectors, clusters, 2), tf.constant(vectors[1:4])
    probes = index.probes(queries)
    least = int((clusters.members[probes.numpy()] >= 0).sum(axis=(1, 2)).min())
    excluded = tf.zeros([3, 5], tf.int32)
    assert index.enough(probes, tf.constant(least - 5), excluded)
    assert not index.enough(probes, tf.constant(least - 4), excluded)
