"""A kustomization goes in at the first try, and a second time it changes nothing."""

import pytest

from tests.manifests.apiserver.conftest import Applied

pytestmark = pytest.mark.slow


def test_everything_is_accepted_at_the_first_try_without_a_warning(applied: Applied) -> None:
    assert (applied.first.returncode, applied.first.stderr) == (0, "")
    assert len(applied.first.stdout.splitlines()) == len(applied.manifests)


def test_the_second_time_changes_nothing(applied: Applied) -> None:
    before = applied.stored()
    assert len(before) == len(applied.manifests)
    again = applied.again()
    assert (again.returncode, again.stderr) == (0, "")
    assert applied.stored() == before
