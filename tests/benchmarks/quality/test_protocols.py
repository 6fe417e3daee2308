from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.protocols import SAMPLED, Protocol, Task, prepare
from benchmarks.quality.views import Candidates, Catalogue
from kuberec.errors import ConfigError, DataError
from kuberec.features import EncodedInteractions
from tests.benchmarks.quality.folders import EACH, USERS, histories, write_contract, write_ncf, write_sequences


def pairs(task: Task, part: EncodedInteractions) -> set[tuple[str, str]]:
    features = task.features
    return set(zip(features.users.ids[part.user], features.items.ids[part.item], strict=True))


def candidates(task: Task, number: int = 0) -> Candidates:
    view = task.views[number]
    assert isinstance(view, Candidates)
    return view


def catalogue(task: Task, number: int = 0) -> Catalogue:
    view = task.views[number]
    assert isinstance(view, Catalogue)
    return view


class TestNcf:
    def test_the_given_test_rows_are_test_and_the_rows_before_them_validation(self, tmp_path: Path) -> None:
        taken = histories()
        task = prepare(write_ncf(tmp_path / "ncf", taken), "ncf", work=tmp_path)
        asked = candidates(task)
        found = {user: row[0] for user, row in zip(asked.user_ids, asked.item_ids, strict=True)}
        assert found == {user: items[-1] for user, items in taken.items()}
        assert pairs(task, task.features.validation) == {(user, items[-2]) for user, items in taken.items()}
        assert len(task.features.train) == USERS * (EACH - 2)
        assert len(task.views) == 1

    def test_rows_among_their_own_negatives_are_skipped_and_counted(self, tmp_path: Path) -> None:
        task = prepare(write_ncf(tmp_path / "ncf", histories(), doubled=["u5", "u9"]), "ncf", work=tmp_path)
        assert task.facts["skipped_rows"] == 2
        assert set(candidates(task).user_ids) == {f"u{n}" for n in range(USERS)} - {"u5", "u9"}
        assert candidates(task, 1).users == USERS
        assert "2 test rows" in task.views[0].description

    def test_candidates_are_drawn_where_none_are_given(self, tmp_path: Path) -> None:
        taken = histories()
        folder = write_ncf(tmp_path / "ncf", taken, negatives=False)
        asked = candidates(prepare(folder, "ncf", work=tmp_path))
        assert asked.item_ids.shape == (USERS, 1 + SAMPLED)
        for user, row in zip(asked.user_ids, asked.item_ids, strict=True):
            assert row[0] == taken[user][-1]
            assert len(set(row)) == 1 + SAMPLED
            assert not set(row[1:]) & set(taken[user])
        again, other = (candidates(prepare(folder, "ncf", seed=seed, work=tmp_path)) for seed in (0, 1))
        assert (again.item_ids == asked.item_ids).all()
        assert (other.item_ids != asked.item_ids).any()

    def test_held_back_test_rows_are_nowhere(self, tmp_path: Path) -> None:
        taken = histories()
        task = prepare(write_ncf(tmp_path / "ncf", taken), "ncf", held_back=True, work=tmp_path)
        asked = candidates(task)
        found = {user: row[0] for user, row in zip(asked.user_ids, asked.item_ids, strict=True)}
        assert found == {user: items[-2] for user, items in taken.items()}
        known = pairs(task, task.features.observed)
        assert known == {(user, item) for user, items in taken.items() for item in items[:-2]}

    def test_a_test_row_that_cannot_be_held_out_is_an_error(self, tmp_path: Path) -> None:
        folder = write_ncf(tmp_path / "ncf", {**histories(), "short": ["i1", "i2"]})
        with pytest.raises(DataError, match=r"1 of the 41 .*'short'"):
            prepare(folder, "ncf", work=tmp_path)


class TestColdItems:
    def test_withheld_items_are_ranked_alone_and_among_all(self, tmp_path: Path) -> None:
        taken = histories()
        task = prepare(write_sequences(tmp_path / "sequences", taken), "cold_items", work=tmp_path)
        cold, full = catalogue(task), catalogue(task, 1)
        assert cold.only is not None
        assert len(cold.only) == task.facts["withheld_items"] == 13
        known = {item for _, item in pairs(task, task.features.observed)}
        assert not known & set(cold.only)
        users = {user for user, items in taken.items() if set(items) & set(cold.only)}
        assert set(cold.truth.user_ids) == set(full.truth.user_ids) == users
        assert full.only is None

    def test_items_of_which_nothing_is_known_are_an_error(self, tmp_path: Path) -> None:
        folder = write_contract(tmp_path / "shop", histories())
        with pytest.raises(DataError, match="no items table"):
            prepare(folder, "cold_items", work=tmp_path)


def test_cold_users_have_no_row_in_train(tmp_path: Path) -> None:
    task = prepare(write_sequences(tmp_path / "sequences", histories()), "cold_users", work=tmp_path)
    asked = catalogue(task)
    assert asked.users == USERS // 10
    assert not {user for user, _ in pairs(task, task.features.observed)} & set(asked.truth.user_ids)


def test_the_ratio_is_of_each_users_rows_and_every_row_counts(tmp_path: Path) -> None:
    task = prepare(write_contract(tmp_path / "shop", histories()), "ratio", work=tmp_path)
    asked = catalogue(task)
    assert asked.users == USERS
    assert set(asked.truth.sizes) == {EACH // 4}
    assert task.features.observed.label.all()


def test_the_rule_for_positives_can_be_set(tmp_path: Path) -> None:
    folder = write_contract(tmp_path / "shop", histories())
    own = prepare(folder, "temporal", work=tmp_path).features.observed
    assert set(own.value[~own.label]) == {3.0}
    strict = prepare(folder, "ratio", positive=5, work=tmp_path).features.observed
    assert set(strict.value[~strict.label]) == {3.0, 4.0}


def test_leave_one_out_holds_out_the_last_of_a_sequence(tmp_path: Path) -> None:
    taken = histories()
    task = prepare(write_sequences(tmp_path / "sequences", taken), "leave_one_out", work=tmp_path)
    truth = catalogue(task).truth
    found = dict(zip(truth.user_ids[truth.user], task.features.items.ids[truth.item], strict=True))
    assert found == {user: items[-1] for user, items in taken.items()}


def test_data_without_times_has_no_split_by_time(tmp_path: Path) -> None:
    folder = write_sequences(tmp_path / "sequences", histories())
    with pytest.raises((ConfigError, DataError), match="temporal"):
        prepare(folder, "temporal", work=tmp_path)


def test_an_unknown_protocol_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cold_items"):
        prepare(tmp_path, "hold_out", work=tmp_path)


def test_the_key_changes_with_data_protocol_and_seed(tmp_path: Path) -> None:
    folder = write_contract(tmp_path / "shop", histories())
    other = write_contract(tmp_path / "other", histories(seed=1))
    keys = [
        prepare(folder, "ratio", work=tmp_path).key,
        prepare(folder, "ratio", seed=1, work=tmp_path).key,
        prepare(folder, "leave_one_out", work=tmp_path).key,
        prepare(other, "ratio", work=tmp_path).key,
    ]
    assert len(set(keys)) == len(keys)
    assert prepare(folder, Protocol.RATIO, work=tmp_path).key == keys[0]


def test_views_judge_whoever_has_a_test_positive(tmp_path: Path) -> None:
    task = prepare(write_contract(tmp_path / "shop", histories()), "temporal", work=tmp_path)
    asked = catalogue(task)
    assert task.facts["views"]["full"]["users"] == asked.users
    assert (np.asarray(asked.truth.sizes) > 0).all()
