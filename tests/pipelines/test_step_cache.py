"""The local cache: what makes a step run again, and what does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from kuberec.artifacts import new_artifact
from pipelines.step_cache import StepCache

COMMAND = ["sh", "-c", "work"]


class Events:
    """Writes down what a cache tells its watcher."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def started(self, step: str) -> None:
        self.seen.append((step, "started"))

    def finished(self, step: str, outputs: dict[str, Any], cached: bool) -> None:
        self.seen.append((step, "cached" if cached else "ran"))


def artifact(folder: Path, text: str) -> Any:
    with new_artifact(folder, "dataset") as (made, _):
        (made / "rows.txt").write_text(text)
    return dsl.Dataset(name="data", uri=str(folder))


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def cache_of(tmp_path: Path, events: Events) -> Callable[..., StepCache]:
    def make(code: str = "code 1", uncached: frozenset[str] = frozenset()) -> StepCache:
        return StepCache(tmp_path / "cache", code, uncached, events)

    return make


def key(cache: StepCache, component: str = "comp-split", **arguments: Any) -> str:
    return cache.compute_key(component, "image", COMMAND, arguments, env_vars={})


def test_a_kept_result_is_found_by_the_same_arguments(
    cache_of: Callable[..., StepCache], events: Events, tmp_path: Path
) -> None:
    first, data = cache_of(), artifact(tmp_path / "data", "rows")
    assert first.get(key(first, seed=1)) is None
    first.put(key(first, seed=1), {"parts": data, "Output": 3})
    later = cache_of()
    found = later.get(key(later, seed=1))
    assert found is not None
    assert (found["parts"].path, found["Output"]) == (data.path, 3)
    assert events.seen == [("split", "started"), ("split", "ran"), ("split", "cached")]


@pytest.mark.parametrize("code, seed", [("code 2", 1), ("code 1", 2)])
def test_other_code_or_another_argument_finds_nothing(cache_of: Callable[..., StepCache], code: str, seed: int) -> None:
    first, other = cache_of(), cache_of(code)
    first.put(key(first, seed=1), {"Output": 3})
    assert other.get(key(other, seed=seed)) is None


def test_an_input_is_known_by_its_content_and_not_by_its_place(
    cache_of: Callable[..., StepCache], tmp_path: Path
) -> None:
    cache = cache_of()
    here, there = artifact(tmp_path / "here", "rows"), artifact(tmp_path / "there", "rows")
    other = artifact(tmp_path / "other", "other rows")
    assert key(cache, data=here) == key(cache, data=there)
    assert key(cache, data=[here]) == key(cache, data=[there])
    assert key(cache, data=here) != key(cache, data=other)


def _change(folder: Path) -> None:
    (folder / "rows.txt").write_text("changed")


def _lose_a_file(folder: Path) -> None:
    (folder / "rows.txt").unlink()


def _lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [_change, _lose_a_file, _lose_the_manifest])
def test_a_damaged_output_is_never_used(
    cache_of: Callable[..., StepCache], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    cache = cache_of()
    cache.put(key(cache), {"parts": artifact(tmp_path / "data", "rows")})
    assert cache.get(key(cache)) is not None
    damage(tmp_path / "data")
    assert cache.get(key(cache)) is None


def test_a_step_that_acts_on_the_world_runs_every_time(cache_of: Callable[..., StepCache]) -> None:
    cache = cache_of(uncached=frozenset({"promote"}))
    cache.put(key(cache, "comp-promote"), {"Output": 1})
    assert cache.get(key(cache, "comp-promote")) is None


def test_a_step_is_named_by_its_component_and_family(cache_of: Callable[..., StepCache], events: Events) -> None:
    cache = cache_of()
    cache.get(key(cache, "comp-train", family="triplet"))
    cache.get(key(cache, "comp-validate-export"))
    assert events.seen == [("train triplet", "started"), ("validate_export", "started")]
