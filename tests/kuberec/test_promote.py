import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kuberec.artifacts import new_artifact, verify_artifact, write_json, write_text
from kuberec.errors import ArtifactError, ServingError
from kuberec.promote import promote


def make_export(folder: Path, content: str = "graph") -> Path:
    with new_artifact(folder, "export") as (temporary, _):
        write_text(temporary / "saved_model.pb", content)
        (temporary / "variables").mkdir()
        write_text(temporary / "variables" / "variables.index", content)
        write_text(temporary / "model_card.md", "# A card")
    return folder


def make_verdict(folder: Path, export: Path, *, passed: bool = True) -> Path:
    checks = [
        {"name": "no leak", "passed": True, "reason": "none found"},
        {"name": "ndcg@10", "passed": passed, "reason": "behind ease by 0.02"},
    ]
    with new_artifact(folder, "verdict", parents={"export": export}) as (temporary, _):
        write_json(temporary / "verdict.json", {"passed": passed, "checks": checks})
        write_text(temporary / "verdict.md", "# Verdict")
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return make_export(tmp_path / "export")


@pytest.fixture
def verdict(tmp_path: Path, export: Path) -> Path:
    return make_verdict(tmp_path / "verdict", export)


def promoted(tmp_path: Path, content: str) -> int:
    export = make_export(tmp_path / f"export-{content}", content)
    return promote(export, make_verdict(tmp_path / f"verdict-{content}", export), tmp_path / "models", "m")


def test_the_first_version_is_1_and_holds_export_and_verdict(tmp_path: Path, export: Path, verdict: Path) -> None:
    assert promote(export, verdict, tmp_path / "models", "m") == 1
    version = tmp_path / "models" / "m" / "1"
    files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    assert files == {
        "saved_model.pb", "variables/variables.index", "model_card.md", "manifest.json",
        "verdict/verdict.json", "verdict/verdict.md", "verdict/manifest.json",
    }  # fmt: skip
    assert verify_artifact(version).content_hash == verify_artifact(export).content_hash
    assert [path.name for path in (tmp_path / "models" / "m").iterdir()] == ["1"]


def test_each_new_content_gets_the_next_number(tmp_path: Path) -> None:
    assert [promoted(tmp_path, content) for content in ("a", "b", "c")] == [1, 2, 3]
    assert (tmp_path / "models" / "m" / "1" / "saved_model.pb").read_text() == "a"


def test_the_same_content_keeps_its_number(tmp_path: Path, export: Path, verdict: Path) -> None:
    first = promote(export, verdict, tmp_path / "models", "m")
    assert promote(export, verdict, tmp_path / "models", "m") == first
    assert len(list((tmp_path / "models" / "m").iterdir())) == 1


def test_content_that_was_replaced_since_is_published_anew(tmp_path: Path) -> None:
    assert [promoted(tmp_path, content) for content in ("a", "b", "a")] == [1, 2, 3]


def test_a_folder_named_by_a_number_is_never_touched(tmp_path: Path, export: Path, verdict: Path) -> None:
    half = tmp_path / "models" / "m" / "0007"
    half.mkdir(parents=True)
    assert promote(export, verdict, tmp_path / "models", "m") == 8
    assert list(half.iterdir()) == []


def test_other_names_do_not_count(tmp_path: Path, export: Path, verdict: Path) -> None:
    for name in ("v9", "9.old", ".9", "²"):
        (tmp_path / "models" / "m" / name).mkdir(parents=True)
    assert promote(export, verdict, tmp_path / "models", "m") == 1


def test_a_file_uri_names_the_same_folder(tmp_path: Path, export: Path, verdict: Path) -> None:
    repository = tmp_path / "my models"
    assert promote(export, verdict, repository.as_uri(), "m") == 1
    assert (repository / "m" / "1" / "saved_model.pb").is_file()


def test_promotions_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    pairs = []
    for content in map(str, range(8)):
        export = make_export(tmp_path / f"export-{content}", content)
        pairs.append((content, export, make_verdict(tmp_path / f"verdict-{content}", export)))
    numbers: dict[str, int] = {}
    start = threading.Barrier(len(pairs))

    def run(content: str, export: Path, verdict: Path) -> None:
        start.wait()
        numbers[content] = promote(export, verdict, tmp_path / "models", "m")

    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers.values()) == list(range(1, 9))
    for content, number in numbers.items():
        assert (tmp_path / "models" / "m" / str(number) / "saved_model.pb").read_text() == content


def test_a_refusing_verdict_stops_with_its_reasons(tmp_path: Path, export: Path) -> None:
    verdict = make_verdict(tmp_path / "verdict", export, passed=False)
    with pytest.raises(ServingError, match=r"refused this export: ndcg@10: behind ease by 0\.02\. Nothing"):
        promote(export, verdict, tmp_path / "models", "m")
    assert not (tmp_path / "models").exists()


def test_a_verdict_for_another_export_is_refused(tmp_path: Path, verdict: Path) -> None:
    other = make_export(tmp_path / "other", "another graph")
    with pytest.raises(ServingError, match="was given for another export"):
        promote(other, verdict, tmp_path / "models", "m")


def test_an_export_changed_after_its_verdict_is_refused(tmp_path: Path, export: Path, verdict: Path) -> None:
    (export / "saved_model.pb").write_text("changed")
    with pytest.raises(ArtifactError, match=r"saved_model\.pb was changed"):
        promote(export, verdict, tmp_path / "models", "m")


def test_a_verdict_changed_by_hand_is_refused(tmp_path: Path, export: Path) -> None:
    verdict = make_verdict(tmp_path / "verdict", export, passed=False)
    (verdict / "verdict.json").write_text(json.dumps({"passed": True, "checks": []}))
    with pytest.raises(ArtifactError, match=r"verdict\.json was changed"):
        promote(export, verdict, tmp_path / "models", "m")


def test_no_artifacts_are_named(tmp_path: Path, export: Path, verdict: Path) -> None:
    with pytest.raises(ArtifactError, match="absent is no finished artifact"):
        promote(tmp_path / "absent", verdict, tmp_path / "models", "m")
    with pytest.raises(ServingError, match="of kind 'verdict'; only an export"):
        promote(verdict, verdict, tmp_path / "models", "m")
    with pytest.raises(ServingError, match="of kind 'export'; name the output of `gate`"):
        promote(export, export, tmp_path / "models", "m")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a b"])
def test_a_name_that_no_server_takes_is_refused(tmp_path: Path, export: Path, verdict: Path, name: str) -> None:
    with pytest.raises(ServingError, match="A model's name is made of"):
        promote(export, verdict, tmp_path / "models", name)


def test_other_storage_is_refused_clearly(export: Path, verdict: Path) -> None:
    with pytest.raises(ServingError, match="publishing into s3:// storage is not supported"):
        promote(export, verdict, "s3://bucket/models", "m")


def test_a_repository_that_is_a_file_is_named(tmp_path: Path, export: Path, verdict: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ServingError, match=r"cannot be written.*Nothing was published"):
        promote(export, verdict, tmp_path / "models", "m")


def test_a_failure_while_copying_leaves_nothing_behind(tmp_path: Path, export: Path, verdict: Path) -> None:
    # A socket can be listed but not copied, as a file on a full disk can be opened but not written.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(export / "s"))
        with pytest.raises(ServingError, match="Nothing was published"):
            promote(export, verdict, tmp_path / "models", "m")
    assert list((tmp_path / "models" / "m").iterdir()) == []


def test_what_a_killed_promotion_left_is_removed(tmp_path: Path, export: Path, verdict: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    host = socket.gethostname()
    alive = [f".publishing-a-{os.getpid()}@{host}", f".publishing-a-{gone.pid}@another-{host}", ".other"]
    for name in (f".publishing-a-{gone.pid}@{host}", *alive):
        (tmp_path / "models" / "m" / name / "variables").mkdir(parents=True)
    assert promote(export, verdict, tmp_path / "models", "m") == 1
    assert {path.name for path in (tmp_path / "models" / "m").iterdir()} == {"1", *alive}
