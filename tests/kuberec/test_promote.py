import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from upath import UPath

import kuberec.promote
from kuberec.artifacts import MANIFEST, new_artifact, verify_artifact, write_json, write_text
from kuberec.errors import ArtifactError, ServingError
from kuberec.promote import latest_version, promote, whole_versions
from kuberec.storage import Folder, open_folder
from tests.kuberec.object_store import object_store

BUCKETS = iter(range(1000))


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


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3"), "models") as uri:
        yield uri


@pytest.fixture
def bucket(store: str) -> str:
    return f"{store}/{next(BUCKETS)}"


@pytest.fixture(params=["folder", "object store"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A model repository without a model."""
    return str(tmp_path / "models") if request.param == "folder" else str(request.getfixturevalue("bucket"))


def promoted(repository: str, work: Path, content: str) -> int:
    export = make_export(work / f"export-{content}", content)
    return promote(export, make_verdict(work / f"verdict-{content}", export), repository, "m")


def version(repository: str, number: int) -> Folder:
    return open_folder(repository) / "m" / str(number)


def files(folder: Folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}  # type: ignore[arg-type]


def test_the_first_version_is_1_and_holds_export_and_verdict(repository: str, export: Path, verdict: Path) -> None:
    assert promote(export, verdict, repository, "m") == 1
    assert files(version(repository, 1)) == {
        "saved_model.pb", "variables/variables.index", "model_card.md", "manifest.json",
        "verdict/verdict.json", "verdict/verdict.md", "verdict/manifest.json",
    }  # fmt: skip
    assert verify_artifact(version(repository, 1)).content_hash == verify_artifact(export).content_hash
    assert [path.name for path in (open_folder(repository) / "m").iterdir()] == ["1"]


def test_each_new_content_gets_the_next_number(repository: str, tmp_path: Path) -> None:
    assert [promoted(repository, tmp_path, content) for content in ("a", "b", "c")] == [1, 2, 3]
    assert (version(repository, 1) / "saved_model.pb").read_text() == "a"
    latest = latest_version(repository, "m")
    assert latest is not None
    assert latest.name == "3"


def test_the_same_content_keeps_its_number(repository: str, export: Path, verdict: Path) -> None:
    first = promote(export, verdict, repository, "m")
    assert promote(export, verdict, repository, "m") == first
    assert list(whole_versions(repository, "m")) == [1]


def test_content_that_was_replaced_since_is_published_anew(repository: str, tmp_path: Path) -> None:
    assert [promoted(repository, tmp_path, content) for content in ("a", "b", "a")] == [1, 2, 3]


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


def test_promotions_at_once_get_numbers_of_their_own(repository: str, tmp_path: Path) -> None:
    pairs = []
    for content in map(str, range(8)):
        export = make_export(tmp_path / f"export-{content}", content)
        pairs.append((content, export, make_verdict(tmp_path / f"verdict-{content}", export)))
    numbers: dict[str, int] = {}
    start = threading.Barrier(len(pairs))

    def run(content: str, export: Path, verdict: Path) -> None:
        start.wait()
        numbers[content] = promote(export, verdict, repository, "m")

    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers.values()) == list(range(1, 9))
    for content, number in numbers.items():
        assert (version(repository, number) / "saved_model.pb").read_text() == content


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


@pytest.fixture
def broken_upload(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets uploads fail at files of a name."""
    put = kuberec.promote._put_file

    def broken(name: str) -> None:
        def put_or_fail(source: Path, target: UPath) -> None:
            if target.name == name and target.parent.name.isdecimal():
                raise OSError("the line is down")
            put(source, target)

        monkeypatch.setattr(kuberec.promote, "_put_file", put_or_fail)

    return broken


@pytest.mark.parametrize("name", ["saved_model.pb", MANIFEST])
def test_an_upload_that_broke_is_no_version_and_its_number_stays_taken(
    bucket: str, tmp_path: Path, broken_upload: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert promoted(bucket, tmp_path, "a") == 1
    with monkeypatch.context():
        broken_upload(name)
        with pytest.raises(ServingError, match=r"m cannot be used: the line is down\. Nothing was published\.$"):
            promoted(bucket, tmp_path, "b")
    assert files(version(bucket, 2)) >= {"verdict/manifest.json"}
    assert list(whole_versions(bucket, "m")) == [1]
    monkeypatch.undo()
    assert promoted(bucket, tmp_path, "b") == 3
    assert list(whole_versions(bucket, "m")) == [1, 3]


def test_a_changed_version_in_an_object_store_is_found(bucket: str, export: Path, verdict: Path) -> None:
    promote(export, verdict, bucket, "m")
    (version(bucket, 1) / "variables/variables.index").write_text("changed")
    with pytest.raises(ArtifactError, match=r"m/1: the file variables/variables\.index was changed"):
        verify_artifact(version(bucket, 1))


def test_a_bucket_that_is_not_there_is_named(store: str, export: Path, verdict: Path) -> None:
    with pytest.raises(ServingError, match=r"s3://absent/m cannot be used: .*bucket does not exist"):
        promote(export, verdict, "s3://absent", "m")


def test_an_object_store_that_does_not_answer_is_named(
    bucket: str, export: Path, verdict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ServingError, match=r"cannot be used: Could not connect.*Nothing was published"):
        promote(export, verdict, bucket, "m")


def test_a_storage_that_nothing_reaches_is_refused_clearly(export: Path, verdict: Path) -> None:
    with pytest.raises(ServingError, match=r"tape://models cannot be reached: .*tape.*Name a folder"):
        promote(export, verdict, "tape://models", "m")


def test_a_repository_that_is_a_file_is_named(tmp_path: Path, export: Path, verdict: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ServingError, match=r"cannot be used.*Nothing was published"):
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
