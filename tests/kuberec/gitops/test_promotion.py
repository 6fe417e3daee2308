"""Promotions, rollbacks and history on real Git repositories."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from kuberec.errors import ArtifactError, PromotionError, ServingError
from kuberec.gitops import git as gitops_git
from kuberec.gitops.git import Clone
from kuberec.gitops.promotion import Environment, Pushed, history, promote_version, rollback
from kuberec.gitops.versions import Served
from kuberec.storage import open_folder
from tests.kuberec.gitops.deployment import (
    MODEL,
    SERVED_YAML,
    VERSION_YAML,
    commit,
    commits,
    git,
    make_bare,
    make_checkout,
    make_export,
    make_verdict,
    publish,
    served,
    text_of,
)
from tests.kuberec.object_store import object_store

BOTH_AT_1 = Served((1,), {"stable": 1, "canary": 1})
CANARY_AT_2 = Served((1, 2), {"stable": 1, "canary": 2})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model repository with versions 1 to 3."""
    for number in (1, 2, 3):
        publish(tmp_path / "models", number)
    return tmp_path / "models"


@pytest.fixture
def dev(tmp_path: Path) -> Environment:
    return Environment(str(make_bare(tmp_path / "deploy.git")), "dev")


def canary(environment: Environment, models: Path, version: int) -> Pushed:
    return promote_version(environment, models, MODEL, version)


def stable(environment: Environment, models: Path, version: int) -> Pushed:
    return promote_version(environment, models, MODEL, version, label="stable")


def test_a_promotion_is_one_commit_with_the_gates_reasons_and_the_evaluation(dev: Environment, models: Path) -> None:
    pushed = promote_version(dev, models, MODEL, 2, run="training-17")
    assert served(dev) == CANARY_AT_2
    assert commits(dev) == 2
    assert pushed.commit == git(Path(dev.remote), "rev-parse", "HEAD").strip()
    said = git(Path(dev.remote), "log", "-1", "--format=%B")
    assert said.startswith("Promote recommender in dev: canary is 2, before 1\n\n- better than popularity: triplet 0.2")
    page = git(Path(dev.remote), "show", "HEAD:manifests/overlays/dev/promotions/recommender-2.md")
    assert page.startswith("# recommender version 2\n\n## Passed: triplet\n\n## Evaluation on shop\n")
    changed = git(Path(dev.remote), "show", "--format=", "--name-only", "HEAD").split()
    assert set(changed) == {dev.file, "manifests/overlays/dev/promotions/recommender-2.md"}


def test_comments_and_other_models_stay(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    expected = SERVED_YAML.replace("[1]           #", "[1, 2]        #").replace("canary: 1", "canary: 2")
    assert text_of(dev) == expected


def test_a_label_moves_after_the_version_is_served(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    stable(dev, models, 2)
    assert served(dev) == Served((1, 2), {"stable": 2, "canary": 2})
    canary(dev, models, 3)
    assert served(dev) == Served((2, 3), {"stable": 2, "canary": 3})


def test_a_first_promotion_into_an_empty_file(tmp_path: Path, models: Path) -> None:
    environment = Environment(str(make_bare(tmp_path / "empty.git", VERSION_YAML)), "dev")
    assert canary(environment, models, 1).record.previous is None
    assert served(environment) == BOTH_AT_1


def test_the_same_again_changes_nothing(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    again = canary(dev, models, 2)
    assert (again.branch, again.commit) == ("", "")
    assert commits(dev) == 2


def test_two_promotions_at_once_both_land(dev: Environment, models: Path, tmp_path: Path) -> None:
    prod = Environment(dev.remote, "prod", review=False)
    start = threading.Barrier(4)
    troubles: list[Exception] = []

    def run(environment: Environment, label: str, version: int) -> None:
        start.wait()
        try:
            promote_version(environment, models, MODEL, version, label=label)
        except Exception as error:
            troubles.append(error)

    asked = [(dev, "canary", 3), (dev, "stable", 2), (prod, "canary", 3), (prod, "stable", 2)]
    threads = [threading.Thread(target=run, args=each) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    for environment, label, version in asked:
        assert served(environment).labels[label] == version
        assert version in served(environment).versions
    assert commits(dev) == 5
    assert {record.version for environment in (dev, prod) for record in history(environment)} == {2, 3}


def test_a_lost_race_is_run_again_on_what_the_winner_left(
    dev: Environment, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push, rivals = Clone.push, iter([True])

    def late(self: Clone, branch: str) -> bool:
        if next(rivals, False):
            stable(dev, models, 3)
        return push(self, branch)

    monkeypatch.setattr(Clone, "push", late)
    canary(dev, models, 2)
    assert served(dev) == Served((2, 3), {"stable": 3, "canary": 2})
    assert [record.label for record in history(dev)] == ["canary", "stable"]
    assert history(dev)[0].previous == 3


def test_a_race_that_is_always_lost_is_given_up(
    dev: Environment, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitops_git, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(gitops_git, "TRIES", 3)
    other, push = tmp_path / "other", Clone.push
    git(tmp_path, "clone", "--quiet", dev.remote, str(other))

    def late(self: Clone, branch: str) -> bool:
        git(other, "commit", "--quiet", "--allow-empty", "--message", "faster")
        git(other, "push", "--quiet")
        return push(self, branch)

    monkeypatch.setattr(Clone, "push", late)
    with pytest.raises(PromotionError, match="pushed to main during each of 3 tries"):
        canary(dev, models, 2)
    assert served(dev) == BOTH_AT_1


def test_a_failed_gate_is_never_promoted(dev: Environment, models: Path, tmp_path: Path) -> None:
    verdict = models / MODEL / "2" / "verdict"
    shutil.rmtree(verdict)
    make_verdict(verdict, make_export(tmp_path / "same", "2"), passed=False)
    with pytest.raises(ServingError, match="refused this export: better than popularity"):
        canary(dev, models, 2)
    assert commits(dev) == 1


def test_a_version_that_is_not_published_is_named(dev: Environment, models: Path) -> None:
    with pytest.raises(PromotionError, match=r"Version 9 of recommender is not in .*, which holds 1, 2, 3\. Nothing"):
        canary(dev, models, 9)


def test_an_unknown_label_or_environment_is_named(dev: Environment, models: Path) -> None:
    with pytest.raises(PromotionError, match="no label 'best'; expected one of stable, canary"):
        promote_version(dev, models, MODEL, 2, label="best")
    with pytest.raises(
        PromotionError, match=r"no manifests/overlays/qa/version\.yaml; environments there: dev, prod\."
    ):
        canary(Environment(dev.remote, "qa"), models, 2)


def test_prod_gets_a_branch_for_a_pull_request(dev: Environment, models: Path) -> None:
    prod = Environment(dev.remote, "prod")
    pushed = canary(prod, models, 2)
    assert pushed.branch == "kuberec/prod/recommender-2-canary"
    assert served(prod) == BOTH_AT_1
    assert served(Environment(dev.remote, "prod", branch=pushed.branch)) == CANARY_AT_2
    with pytest.raises(PromotionError, match=r"already has the branch kuberec/prod/recommender-2-canary\. Merge"):
        canary(prod, models, 2)


def test_a_merged_pull_request_is_history_and_can_be_rolled_back(
    dev: Environment, models: Path, tmp_path: Path
) -> None:
    prod, work = Environment(dev.remote, "prod"), tmp_path / "work"
    pushed = canary(prod, models, 2)
    git(tmp_path, "clone", "--quiet", dev.remote, str(work))
    git(work, "merge", "--quiet", "--no-ff", "--message", "Merge", f"origin/{pushed.branch}")
    git(work, "push", "--quiet", "origin", "main")
    assert [record.commit for record in history(prod)] == [pushed.commit]
    direct = Environment(dev.remote, "prod", review=False)
    rollback(direct, models, MODEL, "slow")
    assert served(prod) == BOTH_AT_1


def test_a_checkout_follows_the_push(tmp_path: Path, models: Path) -> None:
    checkout = make_checkout(tmp_path / "deploy")
    (checkout / "notes.txt").write_text("untracked, of no concern")
    canary(Environment(str(checkout), "dev"), models, 2)
    assert "canary: 2" in (checkout / "manifests" / "overlays" / "dev" / "version.yaml").read_text()
    assert git(checkout, "status", "--short") == "?? notes.txt\n"


def test_a_dirty_checkout_is_refused_and_left_alone(tmp_path: Path, models: Path) -> None:
    checkout = make_checkout(tmp_path / "deploy")
    edited = checkout / "manifests" / "overlays" / "prod" / "version.yaml"
    edited.write_text("mine")
    with pytest.raises(PromotionError, match=r"has changes that are not committed.*Commit or stash them"):
        canary(Environment(str(checkout), "dev"), models, 2)
    assert edited.read_text() == "mine"
    assert served(Environment(str(checkout), "dev")) == BOTH_AT_1


def test_a_rollback_reverts_the_last_promotion(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    before = text_of(dev)
    stable(dev, models, 2)
    pushed = rollback(dev, models, MODEL, "click rate\nfell")
    assert text_of(dev) == before
    record = history(dev)[0]
    assert (record.action, record.label, record.version, record.previous) == ("rollback", "stable", 1, 2)
    assert record.reason == "click rate fell"
    assert pushed.commit == record.commit


def test_a_rollback_of_a_rollback_promotes_again(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    after = text_of(dev)
    rollback(dev, models, MODEL, "slow")
    assert served(dev) == BOTH_AT_1
    rollback(dev, models, MODEL, "it was the network")
    assert text_of(dev) == after
    assert [record.version for record in history(dev)] == [2, 1, 2]


def test_a_rollback_leaves_what_came_in_between(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    canary(Environment(dev.remote, "prod", review=False), models, 3)
    rollback(dev, models, MODEL, "slow")
    assert served(dev) == BOTH_AT_1
    assert served(Environment(dev.remote, "prod")).labels["canary"] == 3


def test_a_rollback_to_a_version_that_is_gone_says_so_first(dev: Environment, models: Path) -> None:
    canary(dev, models, 2)
    shutil.rmtree(models / MODEL / "1")
    with pytest.raises(PromotionError, match=r"Version 1 of recommender is not in .*, which holds 2, 3"):
        rollback(dev, models, MODEL, "slow")
    assert commits(dev) == 2


def test_a_rollback_over_a_later_edit_by_hand_is_refused(dev: Environment, models: Path, tmp_path: Path) -> None:
    canary(dev, models, 2)
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", dev.remote, str(work))
    (work / dev.file).write_text(SERVED_YAML.replace("[1] ", "[1, 3] ").replace("canary: 1", "canary: 3"))
    commit(work, "By hand")
    git(work, "push", "--quiet")
    with pytest.raises(PromotionError, match="cannot be reverted: later commits changed the same lines"):
        rollback(dev, models, MODEL, "slow")
    assert served(dev).labels["canary"] == 3


def test_there_must_be_something_to_roll_back(dev: Environment, models: Path, tmp_path: Path) -> None:
    with pytest.raises(PromotionError, match="never promoted in dev on branch main"):
        rollback(dev, models, MODEL, "slow")
    with pytest.raises(PromotionError, match="needs a reason"):
        rollback(dev, models, MODEL, " ")
    empty = Environment(str(make_bare(tmp_path / "empty.git", VERSION_YAML)), "dev")
    canary(empty, models, 1)
    with pytest.raises(PromotionError, match="had no version in dev before 1: there is nothing to go back to"):
        rollback(empty, models, MODEL, "slow")


def test_a_rollback_never_reverts_what_it_has_not_seen(
    dev: Environment, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary(dev, models, 2)
    push, rivals = Clone.push, iter([True])

    def late(self: Clone, branch: str) -> bool:
        if next(rivals, False):
            canary(dev, models, 3)
        return push(self, branch)

    monkeypatch.setattr(Clone, "push", late)
    with pytest.raises(PromotionError, match="promoted or rolled back recommender in dev meanwhile"):
        rollback(dev, models, MODEL, "slow")
    assert served(dev).labels["canary"] == 3


def test_the_history_tells_who_what_which_run_and_which_metrics(dev: Environment, models: Path) -> None:
    promote_version(dev, models, MODEL, 2, run="training-17")
    rollback(dev, models, MODEL, "slow")
    last, first = history(dev)
    assert (first.action, first.environment, first.model, first.label) == ("promote", "dev", MODEL, "canary")
    assert (first.version, first.previous, first.run) == (2, 1, "training-17")
    assert first.metrics == {"ndcg@10": 0.2, "coverage": 0.5}
    assert len(first.export) == 64
    assert "@" in first.who and first.when.startswith("20")
    assert (last.action, last.version, last.previous, last.reason) == ("rollback", 1, 2, "slow")
    assert history(dev, "films") == []


def test_words_that_look_like_a_record_make_none(dev: Environment, models: Path) -> None:
    promote_version(dev, models, MODEL, 2, run="a\n\nKuberec-Version: 99")
    assert history(dev)[0].version == 2


@pytest.mark.parametrize("remote", ["http://ann:s3cret@127.0.0.1:1/x.git", "https://t0ken@127.0.0.1:1/x"])
def test_credentials_are_never_shown(remote: str, models: Path) -> None:
    with pytest.raises(PromotionError, match=r"127\.0\.0\.1:1") as caught:
        history(Environment(remote, "dev"))
    assert "s3cret" not in str(caught.value)
    assert "t0ken" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_remote_that_refuses_is_quoted_without_trying_again(dev: Environment, models: Path) -> None:
    hook = Path(dev.remote) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\necho asked >> asked\necho "sign your commits at https://ann:s3cret@git.example"\nexit 1\n'
    )
    hook.chmod(0o755)
    with pytest.raises(
        PromotionError, match=r"refuses the push: .*sign your commits at https://git\.example"
    ) as caught:
        canary(dev, models, 2)
    assert "s3cret" not in str(caught.value)
    assert (Path(dev.remote) / "asked").read_text() == "asked\n"


def test_a_machine_where_git_knows_nobody_commits_all_the_same(
    dev: Environment, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    canary(dev, models, 2)
    assert history(dev)[0].who == "kuberec <kuberec@localhost>"


def test_a_missing_git_is_named(dev: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PromotionError, match="git is not installed"):
        history(dev)


def test_versions_are_promoted_from_a_bucket(dev: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(tmp_path, "models") as bucket:
        for number in (1, 2, 3):
            publish(bucket, number, work=tmp_path / "steps")
        assert promote_version(dev, bucket, MODEL, 2).record.metrics == {"ndcg@10": 0.2, "coverage": 0.5}
        assert served(dev) == Served((1, 2), {"stable": 1, "canary": 2})
        rollback(dev, bucket, MODEL, "slow")
        assert served(dev) == Served((1,), {"stable": 1, "canary": 1})
        model = open_folder(bucket) / MODEL
        (model / "3" / "manifest.json").unlink()
        with pytest.raises(
            PromotionError, match=r"Version 3 of recommender is not in .* s3://models, which holds 1, 2\."
        ):
            promote_version(dev, bucket, MODEL, 3)
        (model / "2" / "saved_model.pb").write_text("changed")
        with pytest.raises(ArtifactError, match=r"s3://models/recommender/2: the file saved_model\.pb was changed"):
            promote_version(dev, bucket, MODEL, 2)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(ServingError, match=r"s3://models/recommender cannot be used: Could not connect"):
            promote_version(dev, bucket, MODEL, 1)
