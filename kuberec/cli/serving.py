"""The verbs of the live model: serve and recommend."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from kuberec.cli.options import MODEL_NAME, REPOSITORY, Json, ModelName, Repository
from kuberec.cli.output import print_json, print_rows

PORT = 8500
TARGET = f"localhost:{PORT}"


def serve(
    repository: Repository = REPOSITORY,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = PORT,
    keep: Annotated[int, typer.Option(min=1, help="How many of a model's newest versions answer.")] = 2,
) -> None:
    """Serve every model of a repository over gRPC, as TF Serving does. New versions are picked up within a second.

    \b
    Examples:
      kuberec serve
      kuberec serve --repository /models --host 0.0.0.0 --port 8500
      kuberec serve --port 0
    """
    import logging

    from kuberec.serving.server import ModelServer, stop_signals

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kuberec").setLevel(logging.INFO)
    with ModelServer(repository, host=host, port=port, kept_versions=keep) as server:
        wait_for_signal = stop_signals()
        typer.echo(f"Serving {repository} on {server.address}; Ctrl-C stops.")
        if not any(server.repository.available().values()):
            typer.echo("No model is there yet; the first to be promoted will be served.")
        wait_for_signal()
        typer.echo("Stopping: running requests are answered first.")


def recommend(
    user: Annotated[str, typer.Option("--user", "-u", help="Raw user id; an unknown one is answered too.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    history: Annotated[
        list[str] | None, typer.Option("--history", metavar="ID,ID", help="Items just taken, oldest first.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ID,ID", help="Items never to show.")
    ] = None,
    target: Annotated[str, typer.Option("--target", "-t", help="The server, host:port.")] = TARGET,
    model: ModelName = MODEL_NAME,
    items: Annotated[
        Path | None, typer.Option(help="Parquet file with item_id and title; as a rule the served version's own.")
    ] = None,
    repository: Repository = REPOSITORY,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to wait for the answer.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Ask a model server, Kuberec's own or TF Serving, what to show a user.

    \b
    Examples:
      kuberec recommend --user 196 -k 10
      kuberec recommend --user somebody-new --history 50,181 --exclude 172
      kuberec recommend --user 196 --target models.example:8500 --model films --json
    """
    from kuberec.client import Client
    from kuberec.serving.titles import read_titles, titles_of_version

    with Client(target, timeout=timeout) as client:
        answer = client.recommend(model, user, k, exclude=_split_ids(exclude), history=_split_ids(history))
    titles = read_titles(items) if items else titles_of_version(repository, model, answer.version)
    rows: list[dict[str, Any]] = [
        {"item_id": item, "title": titles.get(item), "score": score}
        for item, score in zip(answer.item_ids, answer.scores, strict=True)
    ]
    if as_json:
        print_json({"model": model, "version": answer.version, "user_id": user, "items": rows})
    else:
        ranking = [
            [(f"{rank:>3}", "dim"), (row["title"] or row["item_id"], ""), (f"{row['score']:.3f}", "dim")]
            for rank, row in enumerate(rows, start=1)
        ]
        print_rows(f"{model} version {answer.version} for user {user}", ranking)


def _split_ids(texts: Iterable[str] | None) -> list[str]:
    return [item.strip() for text in texts or () for item in text.split(",") if item.strip()]
