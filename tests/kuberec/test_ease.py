import numpy as np
import pandas as pd
import pytest
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models.ease import EASEModel
from scipy.sparse import csr_matrix

from kuberec import ease
from kuberec.ease import co_counts, item_weights


def taken(rng: np.random.Generator) -> csr_matrix:
    """Ones, 60 users and 25 items; the last item was taken by nobody."""
    dense = (rng.random((60, 25)) < 0.2).astype(np.float32)
    dense[:, 24] = 0
    return csr_matrix(dense)


def test_co_counts_in_blocks_are_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "ROWS", 7)
    positives = taken(np.random.default_rng(0))
    np.testing.assert_array_equal(co_counts(positives), (positives.T @ positives).toarray())


def test_weights_are_those_of_rectools() -> None:
    positives = taken(np.random.default_rng(1))[:, :24]
    pairs = positives.tocoo()
    frame = pd.DataFrame({Columns.User: pairs.row, Columns.Item: pairs.col, Columns.Weight: 1.0})
    dataset = Dataset.construct(frame.assign(**{Columns.Datetime: "1970-01-01"}))
    theirs = EASEModel(3.0).fit(dataset).weight
    order = dataset.item_id_map.external_ids
    np.testing.assert_allclose(item_weights(co_counts(positives), 3.0)[np.ix_(order, order)], theirs, atol=1e-5)


def test_each_item_is_the_ridge_regression_on_the_others() -> None:
    dense = taken(np.random.default_rng(2)).toarray().astype(float)
    weights = item_weights(co_counts(csr_matrix(dense)), 2.0)
    for item in (0, 11):
        others = np.delete(dense, item, axis=1)
        expected = np.linalg.solve(others.T @ others + 2.0 * np.eye(24), others.T @ dense[:, item])
        np.testing.assert_allclose(np.delete(weights[:, item], item), expected, atol=1e-6)
    assert not np.diag(weights).any()


def test_an_item_that_nobody_took_has_no_weights() -> None:
    weights = item_weights(co_counts(taken(np.random.default_rng(3))), 1.0)
    assert not weights[24].any()
    assert not weights[:, 24].any()


def test_small_regularization_beside_large_counts_stays_accurate() -> None:
    # Beside counts of 10 million a float32 inverse would be off in the first digit.
    counts = np.full((3, 3), 1e7, np.float32) + np.diag([1, 2, 4]).astype(np.float32)
    exact = np.linalg.inv(counts.astype(np.longdouble).astype(float) + np.eye(3))
    expected = np.eye(3) - exact / np.diag(exact)
    np.testing.assert_allclose(item_weights(counts, 1.0), expected, rtol=1e-5)
