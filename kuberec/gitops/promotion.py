"""Promote a version, roll the last promotion back, tell the history: each a commit that edits version.yaml.

A commit says what shall be served. How a server gets there without a failed request is `sync.py`'s part.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kuberec.errors import PromotionError
from kuberec.gitops.git import Clone, cloned, push_change, redact
from kuberec.gitops.record import LOG_FORMAT, PROMOTE, ROLLBACK, Record, message, page, records
from kuberec.gitops.versions import CANARY, LABELS, Served, read_versions, write_versions
from kuberec.promote import (
    EVALUATION_FILE,
    SUMMARY_FILE,
    VERDICT_FILE,
    VERDICT_FOLDER,
    check_verdict,
    whole_versions,
)
from kuberec.storage import Folder, reaching

OVERLAYS = Path("manifests/overlays")
VERSION_FILE = "version.yaml"
PAGES = "promotions"
REVIEWED = ("prod",)
"""Environments whose changes go to a branch of their own, for a pull request, unless told otherwise."""
SHOWN_HASH = 12


@dataclass(frozen=True)
class Environment:
    """Where a promotion is committed.

    Attributes:
        remote: The Git repository, as `git clone` takes it.
        name: The overlay, such as `dev`.
        branch: The branch that is deployed; the remote's default one when empty.
        review: Push to a branch of its own, for a pull request; None means for `REVIEWED` environments alone.
    """

    remote: str
    name: str
    branch: str = ""
    review: bool | None = None

    @property
    def file(self) -> str:
        """Path of version.yaml in the repository."""
        return str(OVERLAYS / self.name / VERSION_FILE)

    @property
    def reviewed(self) -> bool:
        """Whether a change goes to a branch of its own."""
        return self.name in REVIEWED if self.review is None else self.review


@dataclass(frozen=True)
class Pushed:
    """What a command did.

    Attributes:
        record: The promotion or rollback.
        branch: Where it was pushed; empty when everything already was as asked.
        commit: Hash of the commit, empty as well.
    """

    record: Record
    branch: str
    commit: str


def promote_version(
    environment: Environment,
    repository: Path | str,
    model: str,
    version: int,
    *,
    label: str = CANARY,
    run: str = "",
) -> Pushed:
    """Move a label to a version that lies in the model repository and that the gate let pass.

    Args:
        environment: Where to commit it.
        repository: The model repository that the environment serves.
        model: The model's name in it.
        version: The version.
        label: `canary` or `stable`.
        run: What made the version, for the history.

    Raises:
        ServingError: The gate refused the version.
        ArtifactError: The version is incomplete or was changed.
        PromotionError: There is no such version or environment, or the remote refuses.
    """
    if label not in LABELS:
        raise PromotionError(f"There is no label {label!r}; expected one of {', '.join(LABELS)}.")
    folder = _version_folder(repository, model, version)
    verdict = folder / VERDICT_FOLDER
    with reaching(folder, "Nothing was changed."):
        export = check_verdict(folder, verdict)
        decision = json.loads((verdict / VERDICT_FILE).read_text(encoding="utf-8"))
        summary, evaluation = ((verdict / name).read_text(encoding="utf-8") for name in (SUMMARY_FILE, EVALUATION_FILE))
    record = Record(
        PROMOTE,
        environment.name,
        model,
        label,
        version,
        None,
        export=export,
        run=run,
        reason=f"the gate passed {decision['candidate']} on {decision['metric']}",
        metrics={name: value for name, value in decision["metrics"].items() if "_" not in name},
    )
    with cloned(environment.remote, environment.branch) as clone:

        def change() -> str:
            nonlocal record
            file = _version_file(clone, environment)
            text = file.read_text(encoding="utf-8")
            before = read_versions(text, environment.file).get(model, Served())
            record = replace(record, previous=before.labels.get(label))
            after = before.moved(label, version)
            if after != before:
                file.write_text(write_versions(text, model, after, environment.file), encoding="utf-8")
                pages = file.parent / PAGES
                pages.mkdir(exist_ok=True)
                pages.joinpath(f"{model}-{version}.md").write_text(
                    page(model, version, summary, evaluation), encoding="utf-8"
                )
            return message(record, _reasons(decision))

        branch = _target(clone, environment, f"{model}-{version}-{label}")
        return _pushed(clone, push_change(clone, change, branch), record, branch)


def rollback(environment: Environment, repository: Path | str, model: str, reason: str) -> Pushed:
    """Revert the last promotion or rollback of a model.

    Args:
        environment: Where to commit it.
        repository: The model repository that the environment serves.
        model: The model's name in it.
        reason: Why, for the history.

    Raises:
        PromotionError: There is nothing to go back to, a version to serve again is gone from the model repository,
            later commits changed the same lines, somebody else promoted meanwhile, or the remote refuses.
    """
    if not reason.strip():
        raise PromotionError("A rollback needs a reason for those who read the history: --reason '…'.")
    with cloned(environment.remote, environment.branch) as clone:
        last = _last(clone, environment, model)
        record = last

        def change() -> str:
            nonlocal record
            if _last(clone, environment, model).commit != last.commit:
                raise PromotionError(
                    f"Somebody promoted or rolled back {model} in {environment.name} meanwhile. Nothing was changed. "
                    "Look at kuberec history, and roll back again if that is still wanted."
                )
            record = _revert(clone, environment, repository, last, reason)
            return message(record, f"This reverts commit {last.commit}.")

        branch = _target(clone, environment, f"rollback-{last.commit[:SHOWN_HASH]}")
        return _pushed(clone, push_change(clone, change, branch), record, branch)


def history(environment: Environment, model: str = "") -> list[Record]:
    """Promotions and rollbacks of an environment, newest first.

    Args:
        environment: Where they were committed.
        model: Only those of this model; of all models when empty.

    Raises:
        PromotionError: The remote cannot be read, or has no such environment.
    """
    with cloned(environment.remote, environment.branch) as clone:
        _version_file(clone, environment)
        return list(_records(clone, environment, model))


def _revert(clone: Clone, environment: Environment, repository: Path | str, last: Record, reason: str) -> Record:
    file = _version_file(clone, environment)
    before = read_versions(file.read_text(encoding="utf-8"), environment.file)
    clone.revert(last.commit)
    after = read_versions(file.read_text(encoding="utf-8"), environment.file)
    served = after.get(last.model)
    if served is None:
        raise PromotionError(
            f"{last.model} had no version in {environment.name} before {last.version}: there is nothing to go back to. "
            "Promote another version."
        )
    for version in served.versions:
        _version_folder(repository, last.model, version)
    version = served.labels.get(last.label, served.versions[-1])
    earlier = (each for each in _records(clone, environment, last.model) if each.version == version)
    known = next(earlier, replace(last, export="", run="", metrics={}))
    return replace(
        known,
        action=ROLLBACK,
        label=last.label,
        version=version,
        previous=before[last.model].labels.get(last.label),
        reason=reason,
    )


def _last(clone: Clone, environment: Environment, model: str) -> Record:
    last = next(_records(clone, environment, model), None)
    if last is None:
        raise PromotionError(
            f"{model} was never promoted in {environment.name} on branch {clone.branch}: there is nothing to roll back."
        )
    return last


def _records(clone: Clone, environment: Environment, model: str) -> Iterator[Record]:
    # A pull request is a merge; its commits are what counts, and simplified history may leave them out.
    log = clone.git("log", "--full-history", "--no-merges", LOG_FORMAT, "--", environment.file)
    for record in records(log):
        if record.environment == environment.name and model in ("", record.model):
            yield record


def _version_file(clone: Clone, environment: Environment) -> Path:
    file = clone.folder / environment.file
    if not file.is_file():
        known = sorted(path.parent.name for path in (clone.folder / OVERLAYS).glob(f"*/{VERSION_FILE}"))
        raise PromotionError(
            f"Branch {clone.branch} of {redact(environment.remote)} has no {environment.file}; environments there: "
            f"{', '.join(known) or 'none'}. To add one, commit that file with the line `models: {{}}`."
        )
    return file


def _version_folder(repository: Path | str, model: str, version: int) -> Folder:
    versions = whole_versions(repository, model)
    if version not in versions:
        raise PromotionError(
            f"Version {version} of {model} is not in the model repository {repository}, which holds "
            f"{', '.join(map(str, sorted(versions))) or 'none'}. Nothing was changed. Restore its folder, or promote a "
            "version that is there."
        )
    return versions[version]


def _target(clone: Clone, environment: Environment, name: str) -> str:
    if not environment.reviewed:
        return clone.branch
    branch = f"kuberec/{environment.name}/{name}"
    if clone.has_remote_branch(branch):
        raise PromotionError(
            f"{redact(environment.remote)} already has the branch {branch}. Merge its pull request, or delete it."
        )
    return branch


def _pushed(clone: Clone, changed: bool, record: Record, branch: str) -> Pushed:
    return Pushed(record, branch, clone.head()) if changed else Pushed(record, "", "")


def _reasons(decision: dict[str, Any]) -> str:
    return "\n".join(f"- {check['name']}: {check['reason']}" for check in decision["checks"])
