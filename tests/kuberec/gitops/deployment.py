"""A Git repository that says what is served, and a model repository with versions that the gate let pass or refused."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from kuberec.artifacts import new_artifact, write_json, write_text
from kuberec.gitops.promotion import Environment
from kuberec.gitops.versions import Served, read_versions
from kuberec.promote import promote

MODEL = "recommender"
VERSION_YAML = "# What is served.\nmodels: {}\n"
SERVED_YAML = """\
# What is served; edited by `kuberec promote` and `kuberec rollback`, never by hand.
models:
  recommender:
    versions: [1]           # served, rising
    labels: {stable: 1, canary: 1}
  films:  # another team's
    versions: [7]
    labels: {stable: 7}
"""


def git(folder: Path, *words: str) -> str:
    """What git says in a folder."""
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def make_checkout(folder: Path, text: str = SERVED_YAML) -> Path:
    """A repository with a checkout of its branch, and the environments dev and prod."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for name in ("dev", "prod"):
        path = folder / "manifests" / "overlays" / name / "version.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    commit(folder, "Begin")
    return folder


def make_bare(folder: Path, text: str = SERVED_YAML) -> Path:
    """The same without a checkout, as a Git server keeps it."""
    checkout = make_checkout(folder.with_name(f"{folder.name}-source"), text)
    git(checkout, "clone", "--quiet", "--bare", ".", str(folder))
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything in a checkout."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def text_of(environment: Environment) -> str:
    """The version.yaml on the branch that is deployed, as the remote has it."""
    return git(Path(environment.remote), "show", f"{environment.branch or 'HEAD'}:{environment.file}")


def served(environment: Environment) -> Served:
    """What that file says of the model."""
    return read_versions(text_of(environment), environment.file)[MODEL]


def commits(environment: Environment) -> int:
    """How many commits the branch has."""
    return int(git(Path(environment.remote), "rev-list", "--count", environment.branch or "HEAD"))


def publish(
    repository: Path | str, number: int, fill: Callable[[Path], object] | None = None, *, work: Path | None = None
) -> None:
    """Publish a version that the gate let pass; `fill` writes its SavedModel, `work` is for what the steps write."""
    work = (work or Path(repository).parent / "steps") / str(number)
    export = make_export(work / "export", str(number), fill)
    verdict = make_verdict(work / "verdict", export, ndcg=number / 10)
    assert promote(export, verdict, repository, MODEL) == number


def make_export(folder: Path, content: str, fill: Callable[[Path], object] | None = None) -> Path:
    """An export; `fill` writes its SavedModel."""
    with new_artifact(folder, "export") as (temporary, _):
        (fill or (lambda path: write_text(path / "saved_model.pb", content)))(temporary)
        write_text(temporary / "model_card.md", f"# Card {content}")
    return folder


def make_verdict(folder: Path, export: Path, *, ndcg: float = 0.3, passed: bool = True) -> Path:
    """What the gate writes of an export."""
    checks = [{"name": "better than popularity", "passed": passed, "reason": f"triplet {ndcg} against 0.01"}]
    metrics = {"ndcg@10": ndcg, "ndcg@10_low": ndcg - 0.01, "coverage": 0.5}
    with new_artifact(folder, "verdict", parents={"export": export}) as (temporary, _):
        facts = {"passed": passed, "candidate": "triplet", "metric": "ndcg@10", "metrics": metrics, "checks": checks}
        write_json(temporary / "verdict.json", facts)
        write_text(temporary / "verdict.md", "# Passed: triplet\n")
        write_text(temporary / "evaluation.md", f"# Evaluation on shop\n\nndcg@10 is {ndcg}.\n")
    return folder
