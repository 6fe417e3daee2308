import pytest

from kuberec.errors import PromotionError
from kuberec.gitops.versions import Served, read_versions, write_versions
from tests.kuberec.gitops.deployment import SERVED_YAML, VERSION_YAML


def test_the_first_version_gets_every_label() -> None:
    assert Served().moved("canary", 3) == Served((3,), {"stable": 3, "canary": 3})


def test_a_canary_is_served_beside_stable() -> None:
    first = Served((3,), {"stable": 3, "canary": 3})
    assert first.moved("canary", 4) == Served((3, 4), {"stable": 3, "canary": 4})


def test_what_stable_left_stays_served_until_the_next_promotion() -> None:
    both = Served((3, 4), {"stable": 3, "canary": 4})
    assert both.moved("stable", 4) == Served((3, 4), {"stable": 4, "canary": 4})
    assert both.moved("stable", 4).moved("canary", 5) == Served((4, 5), {"stable": 4, "canary": 5})


def test_canary_never_stays_behind_stable() -> None:
    first = Served((3,), {"stable": 3, "canary": 3})
    assert first.moved("stable", 4) == Served((3, 4), {"stable": 4, "canary": 4})


def test_stable_may_go_back_without_the_canary() -> None:
    assert Served((3, 4), {"stable": 4, "canary": 4}).moved("stable", 2) == Served((2, 4), {"stable": 2, "canary": 4})


def test_a_label_that_is_there_changes_nothing() -> None:
    both = Served((3, 4), {"stable": 4, "canary": 4})
    assert both.moved("stable", 4) is both


def test_a_write_changes_its_lines_and_no_others() -> None:
    after = write_versions(SERVED_YAML, "recommender", Served((1, 2), {"stable": 1, "canary": 2}), "version.yaml")
    changed = {
        "    versions: [1]           # served, rising": "    versions: [1, 2]        # served, rising",
        "    labels: {stable: 1, canary: 1}": "    labels: {stable: 1, canary: 2}",
    }
    assert after.splitlines() == [changed.get(line, line) for line in SERVED_YAML.splitlines()]


def test_a_first_model_is_written_as_a_block() -> None:
    after = write_versions(VERSION_YAML, "recommender", Served((1,), {"stable": 1, "canary": 1}), "version.yaml")
    expected = "models:\n  recommender:\n    versions: [1]\n    labels: {stable: 1, canary: 1}\n"
    assert after == f"# What is served.\n{expected}"


def test_what_is_written_is_read_back() -> None:
    served = Served((1, 5), {"stable": 5})
    after = read_versions(write_versions(SERVED_YAML, "recommender", served, "v"), "v")
    assert after == {"recommender": served, "films": Served((7,), {"stable": 7})}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [", "v is no YAML"),
        ("", "no mapping `models`"),
        ("models: [1]", "no mapping `models`"),
        ("models: {a/b: {versions: [1]}}", "'a/b': a model's name is made of"),
        ("models: {m: 3}", "model 'm' has 3. Expected models"),
        ("models: {m: {versions: [1], label: {}}}", "Expected models"),
        ("models: {m: {versions: []}}", "expected a list of whole numbers, at least one"),
        ("models: {m: {versions: [true]}}", "expected a list of whole numbers"),
        ("models: {m: {versions: [2, 1]}}", r"versions are \[2, 1\]; expected each once, rising"),
        ("models: {m: {versions: [1], labels: [stable]}}", "labels are"),
        ("models: {m: {versions: [1], labels: {stable: 2}}}", r"point at none of the versions \[1\]"),
        ("models: {m: {versions: [1]}, m: {versions: [2]}}", "no YAML.*duplicate key"),
    ],
)
def test_what_is_no_version_file_is_refused(text: str, words: str) -> None:
    with pytest.raises(PromotionError, match=words):
        read_versions(text, "v")
