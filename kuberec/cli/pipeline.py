"""The verbs that do everything at once: run and demo."""

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kuberec.cli.options import Json
from kuberec.cli.output import print_checks, print_facts, print_json

SHOWN = ("data_report", "report", "verdict", "exported")
VERDICT_FILE = "verdict.json"
ROOT = Path(__file__).resolve().parents[2]


def run(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with settings.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="FIELD=VALUE", help="One setting, over the file; repeat for more."),
    ] = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print all settings and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline: from raw events to a published version. Exit code 1 when the gate stays shut.

    A run that was interrupted goes on where it stopped; what has not changed comes from the cache.

    \b
    Examples:
      kuberec run
      kuberec run --set source=movielens-1m --set families=matrix_factorization
      kuberec run --print-config > run.yaml; kuberec run --config run.yaml --set seed=7
    """
    from kuberec.config import dump_config, load_config

    loaded = load_config(config, settings or [])
    if print_config:
        typer.echo(dump_config(loaded), nl=False)
        return
    result = _pipelines("local").run(loaded)
    facts = {
        "passed": result.passed,
        "version": result.version,
        "executed": list(result.executed),
        "cached": list(result.cached),
        "seconds": round(result.seconds, 1),
        "artifacts": {name: str(path) for name, path in result.artifacts.items()},
        "log": str(result.log),
    }
    if as_json:
        print_json(facts)
    else:
        _print_result(loaded.model_name, loaded.repository, result)
    if not result.passed:
        raise typer.Exit(1)


def demo(
    work_dir: Annotated[str, typer.Option(help="Folder for everything it writes.")] = "var/demo",
    location: Annotated[str, typer.Option(help="Folder that already holds MovieLens-100K; empty to fetch it.")] = "",
) -> None:
    """Show everything once on MovieLens-100K: train, judge, serve, ask. Takes a few minutes.

    \b
    Examples:
      kuberec demo
      kuberec demo --location ~/ml-100k
    """
    _pipelines("demo").main(work_dir=work_dir, location=location)


def _print_result(model: str, repository: str, result: Any) -> None:
    checks = json.loads((result.artifacts["verdict"] / VERDICT_FILE).read_text(encoding="utf-8"))["checks"]
    failed = [check for check in checks if not check["passed"]]
    if result.passed:
        hint = {} if "://" in repository else {"serve": f"kuberec serve -r {repository}"}
        print_facts(f"{model} version {result.version} is published", hint)
    else:
        print_checks("The gate stays shut; nothing was published", failed)
    steps = f"{len(result.executed)} ran, {len(result.cached)} from the cache, {result.seconds:.0f} s"
    paths = {name: str(result.artifacts[name]) for name in SHOWN if name in result.artifacts}
    print_facts("", {"steps": steps, **paths, "log": str(result.log)})


def _pipelines(module: str) -> Any:
    # The pipelines lie beside the library and are imported from the repository's root, never by the library itself.
    if (ROOT / "pipelines").is_dir() and str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(f"pipelines.{module}")
