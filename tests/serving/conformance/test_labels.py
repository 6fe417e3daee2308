"""Version labels: two steps to move one that is in use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import USER, ask_label, refusal, reload, reload_request, wait_for
from tests.serving.conformance.models import base_config, config_of, model


@pytest.fixture(autouse=True)
def restored(target: str, models: Path) -> Iterator[None]:
    """The first config, without labels, holds before and after each test."""
    yield
    reload_request(target, base_config(models))
    wait_for(target, "recommender", [2, 1])


def answering(target: str, label: str) -> int:
    return ask_label(target, "recommender", label, USER)


def test_each_label_answers_with_its_version(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1, "canary": 2})])
    assert (answering(target, "stable"), answering(target, "canary")) == (1, 2)


def test_an_unknown_label(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1})])
    unknown = ("INVALID_ARGUMENT", "Unrecognized servable version label: canary")
    assert refusal(answering, target, "canary") == unknown


def test_the_labels_of_a_model_are_its_own(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1}), model(models, "sum")])
    unknown = ("INVALID_ARGUMENT", "Unrecognized servable version label: stable")
    assert refusal(ask_label, target, "sum", "stable", {"a": [1.0], "b": [1.0]}) == unknown


def test_a_label_left_out_is_gone(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1})])
    reload(target, [model(models, "recommender", "all")])
    assert refusal(answering, target, "stable")[0] == "INVALID_ARGUMENT"


def not_available(version: int, name: str) -> tuple[str, str]:
    return (
        "FAILED_PRECONDITION",
        f"Request to assign label to version {version} of model {name}, which is not currently available for inference",
    )


def test_a_label_moves_in_two_steps(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", [1], labels={"stable": 1})])
    wait_for(target, "recommender", [1])
    at_once = config_of([model(models, "recommender", [2], labels={"stable": 2})])
    assert refusal(reload_request, target, at_once) == not_available(2, "recommender")
    assert answering(target, "stable") == 1

    reload(target, [model(models, "recommender", [1, 2], labels={"stable": 1})])
    wait_for(target, "recommender", [2, 1])
    assert answering(target, "stable") == 1
    reload(target, [model(models, "recommender", [1, 2], labels={"stable": 2})])
    assert answering(target, "stable") == 2
    reload(target, [model(models, "recommender", [2], labels={"stable": 2})])
    wait_for(target, "recommender", [2])
    assert answering(target, "stable") == 2


def test_a_refused_label_leaves_the_models_as_they_were(target: str, models: Path) -> None:
    config = config_of([model(models, "recommender", [1], labels={"stable": 7})])
    assert refusal(reload_request, target, config) == not_available(7, "recommender")
    assert rpc.predict(target, "recommender", USER).model_spec.version.value == 2
    assert rpc.predict(target, "sum", {"a": [1.0], "b": [1.0]}).model_spec.version.value == 123


def test_a_label_of_a_model_that_is_new_in_the_config(target: str, models: Path) -> None:
    new = model(models, "fresh", base_path=str(models / "recommender"), labels={"stable": 2})
    config = config_of([*base_config(models).model_config_list.config, new])
    assert refusal(reload_request, target, config) == not_available(2, "fresh")
    assert refusal(rpc.predict, target, "fresh", USER)[0] == "NOT_FOUND"


def test_status_ignores_a_label(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1})])
    assert [version for version, *_ in rpc.model_status(target, "recommender", label="stable")] == [2, 1]


def test_metadata_follows_a_label(target: str, models: Path) -> None:
    reload(target, [model(models, "recommender", "all", labels={"stable": 1})])
    assert rpc.metadata(target, "recommender", label="stable").model_spec.version.value == 1
