"""The command line of load tests: `python -m loadtest --help`."""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from kuberec.errors import KuberecError
from kuberec.loadtest.scenario import load_scenario
from kuberec.loadtest.slo import load_slo
from loadtest.running import HERE, run_locust

OUTPUT = Path("var/loadtest")
SLO = HERE / "slo.yaml"
SCENARIOS = HERE / "scenarios"
NAMES = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))


def main(
    scenario: Annotated[str, typer.Argument(help=f"{NAMES}, or a file.")] = "steady",
    target: Annotated[str, typer.Option(help="The server, host:port; empty for one that is started here.")] = "",
    model: Annotated[str, typer.Option(help="Name of the target's model.")] = "recommender",
    user_ids: Annotated[Path | None, typer.Option(help="The target's users, one a line, most active first.")] = None,
    item_ids: Annotated[Path | None, typer.Option(help="The target's items, one a line, most popular first.")] = None,
    model_folder: Annotated[
        Path | None, typer.Option(help="Folder of the target's versions, for scenarios that publish one.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Certificates to trust, in PEM; with it the target is asked over TLS.")
    ] = None,
    slo: Annotated[Path, typer.Option(help="File of the limits.")] = SLO,
    output: Annotated[Path, typer.Option(help="Folder for the report and for the model served here.")] = OUTPUT,
    workers: Annotated[int, typer.Option(min=0, help="Processes that send; 0 sends from the one that judges.")] = 0,
    web: Annotated[bool, typer.Option("--web", help="Show Locust's page at localhost:8089, and wait there.")] = False,
) -> None:
    """Play a scenario against a model server and judge it. Exit codes: 0 pass, 1 fail, 9 invalid.

    \b
    Examples:
      python -m loadtest
      python -m loadtest spike --workers 2
      python -m loadtest steady --target models.example:8500 --model films --user-ids users.txt --item-ids items.txt
      python -m loadtest version_swap --web
    """
    path = SCENARIOS / f"{scenario}.yaml" if "." not in scenario else Path(scenario)
    # A fault in a file shows before a model is trained.
    load_scenario(path)
    load_slo(slo)
    with ExitStack() as stack:
        if target:
            if not (user_ids and item_ids):
                raise typer.BadParameter("--target needs --user-ids and --item-ids: whom and what its model knows")
        else:
            # Imports TensorFlow.
            from loadtest.local import served, small_model

            subject = small_model(output)
            model, model_folder = subject.model, subject.folder
            user_ids, item_ids = subject.user_ids, subject.item_ids
            target, _ = stack.enter_context(served(subject))
        options = ["--host", target, "--model", model, "--user-ids", str(user_ids), "--item-ids", str(item_ids)]
        options += ["--scenario", str(path), "--slo", str(slo)]
        options += ["--model-folder", str(model_folder)] if model_folder else []
        options += ["--ca", str(ca)] if ca else []
        raise typer.Exit(run_locust(options, output, workers=workers, web=web))


if __name__ == "__main__":
    # So that the server and Locust end with this process when it is told to.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        typer.run(main)
    except KuberecError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
