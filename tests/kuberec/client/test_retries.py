"""How often and how long a question is asked again."""

from itertools import islice, pairwise
from random import Random
from typing import Any

import grpc
import pytest

from kuberec.client import Retry
from kuberec.client.retries import Budget
from kuberec.errors import ConfigError


def test_waits_double_up_to_the_longest_and_are_shortened_by_up_to_half() -> None:
    waits = list(Retry(tries=7, first_wait=1.0, longest_wait=8.0, rng=Random(1)).waits())
    ceilings = [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert len(waits) == len(ceilings)
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))
    assert len(set(waits)) == len(waits)


def test_a_seed_repeats_the_waits() -> None:
    first, second, other = (list(Retry(rng=Random(seed)).waits()) for seed in (5, 5, 6))
    assert first == second != other


def test_two_questions_do_not_wait_alike() -> None:
    retry = Retry(rng=Random(0))
    assert list(retry.waits()) != list(retry.waits())


def test_waits_stay_finite_after_any_number_of_tries() -> None:
    waits = Retry(tries=10_000, first_wait=0.1, longest_wait=2.0).waits()
    assert max(waits) <= 2.0


@pytest.mark.parametrize("wrong", [{"tries": 0}, {"first_wait": -1.0}, {"longest_wait": -0.1}])
def test_impossible_settings_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least one try and no negative wait"):
        Retry(**wrong)


def test_a_budget_gives_as_many_waits_as_there_are_tries_left() -> None:
    budget = Budget(Retry(tries=3), timeout=60.0)
    waits = [budget.wait_after(grpc.StatusCode.UNAVAILABLE) for _ in range(3)]
    assert [wait is None for wait in waits] == [False, False, True]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.UNAVAILABLE])
def test_what_would_be_said_again_is_not_asked_again(code: grpc.StatusCode) -> None:
    assert Budget(Retry(), timeout=60.0).wait_after(code) is None


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    retry = Retry(tries=2, first_wait=10.0, longest_wait=10.0)
    assert Budget(retry, timeout=4.0).wait_after(grpc.StatusCode.UNAVAILABLE) is None
    assert Budget(retry, timeout=60.0).wait_after(grpc.StatusCode.UNAVAILABLE) is not None


def test_time_runs_down_to_nothing() -> None:
    budget = Budget(Retry(), timeout=60.0)
    assert all(later <= earlier <= 60.0 for earlier, later in pairwise(islice(iter(lambda: budget.left, None), 9)))
    assert Budget(Retry(), timeout=-1.0).left == 0.0
