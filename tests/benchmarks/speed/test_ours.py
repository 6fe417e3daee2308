"""The one place where the speed benchmarks use Kuberec."""

import numpy as np
import pytest

from benchmarks.speed.data import Positives, leave_one_out, synthetic
from benchmarks.speed.judge import METRIC
from benchmarks.speed.ours import closed_form, curve_of, features_of, pass_seconds, phase_of, profile_of, ranking_of

SETTINGS = {"embedding_size": 8, "n_negatives": 16, "batch_size": 256}


@pytest.fixture(scope="module")
def positives() -> Positives:
    return synthetic(users=60, items=50, positives=1_500)


def test_features_count_users_and_items_from_one(positives: Positives) -> None:
    features = features_of(positives)
    assert (features.train.user - 1).tolist() == positives.user.tolist()
    assert (features.train.item - 1).tolist() == positives.item.tolist()
    assert len(features.users) == 61
    assert features.train.timestamp[positives.user == 1].tolist() == sorted(
        features.train.timestamp[positives.user == 1]
    )
    assert not len(features.validation)


@pytest.mark.parametrize("family", ["matrix_factorization", "triplet"])
@pytest.mark.parametrize("loss", ["bpr", "warp"])
def test_passes_are_timed_after_the_warm_up(positives: Positives, family: str, loss: str) -> None:
    assert len(pass_seconds(phase_of(positives, family, {**SETTINGS, "loss": loss}), 2)) == 2


def test_a_curve_ends_where_it_reaches_what_was_asked(positives: Positives) -> None:
    found = curve_of(positives, "matrix_factorization", SETTINGS, reach=0.0)
    assert [point["passes"] for point in found["curve"]] == [1]
    assert 0 < found["curve"][0][METRIC] < 1
    assert found["settings"]["embedding_size"] == 8


def test_the_held_out_item_can_be_found() -> None:
    groups = 4
    user = np.repeat(np.arange(40, dtype=np.int32), 6)
    item = np.concatenate([np.roll(np.arange(6), user) * groups + user % groups for user in range(40)])
    positives = Positives(user, item.astype(np.int32), 40, 24)
    found = curve_of(positives, "matrix_factorization", {**SETTINGS, "learning_rate": 0.05}, reach=0.9)
    assert max(point[METRIC] for point in found["curve"]) >= 0.9, "only the own group's last item is left to rank first"
    assert len(leave_one_out(positives)[0]) == 200


def test_a_whole_fit_is_timed(positives: Positives) -> None:
    found = closed_form(positives, "matrix_factorization", {**SETTINGS, "epochs": 1})
    assert found["curve"][0]["seconds"] > 0


def test_ranking_is_timed_twice(positives: Positives) -> None:
    found = ranking_of(phase_of(positives, "matrix_factorization", SETTINGS), users=5, repeats=2)
    assert min(found.values()) > 0


def test_a_pass_is_profiled(positives: Positives) -> None:
    found = profile_of(phase_of(positives, "matrix_factorization", SETTINGS))
    assert found["busy"] is not None
    assert 0 < found["busy"] <= 1
