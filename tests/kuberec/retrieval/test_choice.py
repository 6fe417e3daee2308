from typing import Any

import numpy as np
import numpy.typing as npt

from kuberec.retrieval.choice import IndexSettings, choose, found_share

Array = npt.NDArray[Any]
SETTINGS = IndexSettings(least_items=1000, least_recall=0.95)


def catalogue(rng: np.random.Generator, n: int, spread: float, dimension: int = 32) -> Array:
    centres = rng.normal(size=(40, dimension))
    rows = centres[rng.integers(0, 40, n)] + spread * rng.normal(size=(n, dimension))
    return np.asarray(np.concatenate([np.zeros((1, dimension)), rows]), dtype=np.float32)


def test_an_index_of_clustered_vectors_is_chosen() -> None:
    rng = np.random.default_rng(0)
    vectors = catalogue(rng, 4000, 0.2)
    choice, index = choose(vectors, vectors[1 + rng.choice(4000, 64)], SETTINGS)
    assert index is not None and choice.method == "ivf"
    assert choice.recall >= 0.95
    assert index.nprobe == choice.nprobe < choice.clusters / 2
    assert choice.tried[choice.nprobe] == choice.recall
    assert choice.items == 4000


def test_an_index_of_vectors_without_structure_is_refused() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_001, 64)).astype(np.float32)
    choice, index = choose(vectors, rng.normal(size=(64, 64)).astype(np.float32), SETTINGS)
    assert index is None and choice.method == "exact"
    assert "refused" in choice.reason
    assert max(choice.tried.values()) < 0.95


def test_a_small_catalogue_gets_no_index() -> None:
    vectors = catalogue(np.random.default_rng(0), 999, 0.2)
    choice, index = choose(vectors, vectors[1:5], SETTINGS)
    assert index is None
    assert (choice.method, choice.tried, choice.recall) == ("exact", {}, 1.0)


def test_without_users_nothing_is_measured_and_nothing_chosen() -> None:
    vectors = catalogue(np.random.default_rng(0), 1500, 0.2)
    choice, index = choose(vectors, vectors[:0], SETTINGS)
    assert index is None and "no user" in choice.reason


def test_found_share_counts_what_reaches_the_last_of_the_exact_list() -> None:
    scores = np.array([[3.0, 2, 1], [3, 2, -np.inf]], dtype=np.float32)
    assert found_share(scores, np.array([2.0, 1.0])) == 4 / 6
    assert found_share(scores[:, :1], np.array([-np.inf, 3.0])) == 1.0
