"""The verbs of what is served where: promote, rollback, history, sync-models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kuberec.cli.options import MODEL_NAME, REPOSITORY, Json, ModelName
from kuberec.cli.output import print_facts, print_json, print_rows
from kuberec.cli.serving import TARGET

if TYPE_CHECKING:
    from kuberec.gitops.promotion import Pushed
    from kuberec.gitops.record import Record

SHOWN_HASH = 12
DEV = "dev"

ModelRepository = Annotated[
    str, typer.Option("--repository", "-r", help="The model repository: a folder, or a URI such as s3://bucket/models.")
]
Remote = Annotated[str, typer.Option("--git", help="The Git repository: a folder, a URL, or host:path.")]
EnvironmentName = Annotated[str, typer.Option("--env", help="The environment, a folder of manifests/overlays.")]
Branch = Annotated[str, typer.Option(help="The branch that is deployed; by default the remote's own.")]
Review = Annotated[
    bool | None,
    typer.Option(
        "--pull-request/--direct",
        help="Push to a branch of its own, for a pull request; prod does unless told otherwise.",
        show_default=False,
    ),
]


def promote(
    export: Annotated[Path | None, typer.Argument(help="The output of export.")] = None,
    verdict: Annotated[Path | None, typer.Argument(help="The output of gate for exactly this export.")] = None,
    repository: ModelRepository = str(REPOSITORY),
    name: ModelName = MODEL_NAME,
    version: Annotated[
        int | None, typer.Option(min=0, help="A version that is published already, instead of an export.")
    ] = None,
    git: Remote = "",
    env: EnvironmentName = DEV,
    label: Annotated[str, typer.Option(help="The label to move: canary or stable.")] = "canary",
    branch: Branch = "",
    pull_request: Review = None,
    run: Annotated[str, typer.Option(help="What made the version, for the history: a run's name or URL.")] = "",
    as_json: Json = False,
) -> None:
    """Publish an export that the gate let pass as the next version. The latest content keeps its number.

    With --git, also commit that an environment serves it: its label canary moves there, later stable.

    \b
    Examples:
      kuberec promote var/export var/verdict
      kuberec promote var/export var/verdict --repository /models --model films
      kuberec promote var/export var/verdict --git git@github.com:shop/deploy.git --env dev
      kuberec promote --version 4 --label stable --git . --env dev
      kuberec promote --version 4 --git https://github.com/shop/deploy --env prod --pull-request
    """
    from kuberec.gitops.promotion import Environment, promote_version
    from kuberec.promote import promote as step

    if version is None:
        if export is None or verdict is None:
            raise typer.BadParameter("name EXPORT and VERDICT, or a --version that is published already")
        version = step(export, verdict, repository, name)
    elif export or not git:
        raise typer.BadParameter("--version takes no EXPORT, and needs --git")
    if git:
        target = Environment(git, env, branch, pull_request)
        pushed = promote_version(target, repository, name, version, label=label, run=run)
        _print_pushed("promoted", pushed, as_json)
        return
    facts = {"model": name, "version": version, "repository": repository}
    if as_json:
        print_json(facts)
    else:
        print_facts("published", facts)


def rollback(
    reason: Annotated[str, typer.Option(help="Why; it stands in the commit and in the history.")],
    git: Remote = ".",
    env: EnvironmentName = DEV,
    repository: ModelRepository = str(REPOSITORY),
    name: ModelName = MODEL_NAME,
    branch: Branch = "",
    pull_request: Review = None,
    as_json: Json = False,
) -> None:
    """Revert a model's last promotion, or its last rollback, in an environment.

    \b
    Examples:
      kuberec rollback --reason "click rate fell by a third"
      kuberec rollback --env prod --direct --git git@github.com:shop/deploy.git --reason "timeouts"
    """
    from kuberec.gitops.promotion import Environment
    from kuberec.gitops.promotion import rollback as step

    _print_pushed("rolled back", step(Environment(git, env, branch, pull_request), repository, name, reason), as_json)


def history(
    git: Remote = ".",
    env: EnvironmentName = DEV,
    name: Annotated[str, typer.Option("--model", "-m", help="Only this model; all of them by default.")] = "",
    branch: Branch = "",
    as_json: Json = False,
) -> None:
    """Tell who promoted or rolled back what, from which run, and what was measured; newest first.

    \b
    Examples:
      kuberec history
      kuberec history --git git@github.com:shop/deploy.git --env prod --json
    """
    from dataclasses import asdict

    from kuberec.gitops.promotion import Environment
    from kuberec.gitops.promotion import history as step

    records = step(Environment(git, env, branch), name)
    if as_json:
        print_json([asdict(record) for record in records])
    else:
        print_rows(f"{len(records)} changes of what {env} serves", [_row(record) for record in records])


def sync_models(
    versions: Annotated[Path, typer.Option(help="The version.yaml, in a checkout or mounted; read every second.")],
    target: Annotated[
        Path, typer.Option(help="Folder for the copies and for models.config; what nothing serves is deleted there.")
    ],
    repository: ModelRepository = str(REPOSITORY),
    label: Annotated[
        str, typer.Option(help="Expose the version with this label alone, as if it were the only one.")
    ] = "",
    server: Annotated[
        str, typer.Option(help="The server that reads the target: labels wait until it has loaded their versions.")
    ] = TARGET,
    once: Annotated[
        bool, typer.Option("--once", help="End when all is as version.yaml says, or with the first error.")
    ] = False,
) -> None:
    """Keep a model server in step with a version.yaml: copy the versions that it names, and write the models.config.

    A version is exposed when its copy is whole. What goes wrong is logged, changes nothing, and is tried again.

    \b
    Examples:
      kuberec sync-models --versions manifests/overlays/dev/version.yaml --target var/served --once
      kuberec sync-models --versions /etc/kuberec/version.yaml --repository s3://bucket/models --target /models
      kuberec sync-models --versions /etc/kuberec/version.yaml --target /models --label canary
    """
    import logging
    import signal
    import sys

    from kuberec.gitops.sync import Sync

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kuberec").setLevel(logging.INFO)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # at any moment: nothing is ever half done
    Sync(versions, repository, target, server, label).follow(once=once)


def _print_pushed(done: str, pushed: "Pushed", as_json: bool) -> None:
    record = pushed.record
    facts = {
        "environment": record.environment,
        "model": record.model,
        "label": record.label,
        "version": record.version,
        "previous": record.previous,
        "branch": pushed.branch,
        "commit": pushed.commit[:SHOWN_HASH],
    }
    if as_json:
        print_json({**facts, "commit": pushed.commit, "changed": bool(pushed.commit)})
    else:
        print_facts(done if pushed.commit else "already served so, nothing was changed", facts)


def _row(record: "Record") -> list[tuple[str, str]]:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in record.metrics.items())
    before = "" if record.previous is None else f"{record.previous} → "
    return [
        (record.when, "dim"),
        (record.who, ""),
        (record.action, ""),
        (f"{record.model} {record.label} {before}{record.version}", "bold"),
        (record.run or record.export[:SHOWN_HASH], "dim"),
        (metrics, ""),
        (record.reason, "dim"),
        (record.commit[:SHOWN_HASH], "dim"),
    ]
