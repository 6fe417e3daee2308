"""Positives for the speed benchmarks: shapes, order, and what is left out."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed.data import LEAST, Positives, leave_one_out, movielens_1m, synthetic, wide


@pytest.fixture
def small() -> Positives:
    user = np.array([0, 0, 0, 1, 1], dtype=np.int32)
    return Positives(user, np.array([2, 0, 1, 3, 2], dtype=np.int32), n_users=2, n_items=4)


def test_sequences_are_numbered_by_line_and_by_rising_id(tmp_path: Path) -> None:
    (tmp_path / "ml-1m").mkdir()
    with gzip.open(tmp_path / "ml-1m" / "sequences.txt.gz", "wt") as file:
        file.write("7 30 5\n3 5 9 100\n")
    positives = movielens_1m(tmp_path)
    assert positives.user.tolist() == [0, 0, 1, 1, 1]
    assert positives.item.tolist() == [2, 0, 0, 1, 3]
    assert (positives.n_users, positives.n_items) == (2, 4)


def test_the_last_positive_of_each_user_is_left_out(small: Positives) -> None:
    rest, target = leave_one_out(small)
    assert rest.user.tolist() == [0, 0, 1]
    assert rest.item.tolist() == [2, 0, 3]
    assert target.tolist() == [1, 2]


def test_a_file_gives_back_what_was_saved(small: Positives, tmp_path: Path) -> None:
    small.save(tmp_path / "positives.npz")
    again = Positives.load(tmp_path / "positives.npz")
    assert again.matrix().toarray().tolist() == [[1, 1, 1, 0], [0, 0, 1, 1]]
    assert (again.n_users, again.n_items) == (2, 4)


def test_synthetic_positives_have_the_shape_asked_for() -> None:
    positives = synthetic(users=1_200, items=400, positives=40_000)
    assert len(positives) == 40_000
    assert positives.matrix().nnz == 40_000, "no pair occurs twice"
    assert np.bincount(positives.user, minlength=1_200).min() >= LEAST
    takers = np.sort(np.bincount(positives.item, minlength=400))[::-1]
    assert takers[:40].sum() > 3 * takers[-40:].sum(), "few items are popular"
    assert (np.diff(positives.user) >= 0).all()


def test_wide_positives_reach_every_item() -> None:
    positives = wide(1_000, each=3)
    assert np.bincount(positives.user).tolist() == [3] * 1_000
    assert np.unique(positives.item).tolist() == list(range(1_000))
