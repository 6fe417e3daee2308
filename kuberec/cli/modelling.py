"""The verbs that make models: train, export, validate-export."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kuberec.cli.options import Json, Output, Seed
from kuberec.cli.output import print_checks, print_json, print_manifest

PARITY_FILE = "parity.json"


def train(
    features: Annotated[Path, typer.Argument(help="The output of featurize.")],
    output: Output,
    family: Annotated[str, typer.Option("--family", "-f", help="The model family, a folder under models/.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="FIELD=VALUE", help="A hyperparameter; repeat for more.")
    ] = None,
    seed: Seed = 0,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder to resume from after an interruption.")] = None,
    as_json: Json = False,
) -> None:
    """Train one model family.

    \b
    Examples:
      kuberec train var/features -o var/mf --family matrix_factorization
      kuberec train var/features -o var/triplet -f triplet --set epochs=5 --set embedding_size=32
    """
    from kuberec.train import train as step

    overrides = dict(_parse_setting(text) for text in settings or [])
    manifest = step(features, output, family=family, overrides=overrides, seed=seed, checkpoints=checkpoints)
    print_manifest(manifest, output, as_json)


def export(
    model: Annotated[Path, typer.Argument(help="The output of train.")],
    features: Annotated[Path, typer.Argument(help="The output of featurize that it was trained on.")],
    output: Output,
    index_recall: Annotated[
        float,
        typer.Option(min=0, max=1, help="Least recall@10 of the index of a large catalogue; one under it is refused."),
    ] = 0.95,
    as_json: Json = False,
) -> None:
    """Write a model as a SavedModel that takes and gives raw ids, with warm-up requests and a model card.

    \b
    Examples:
      kuberec export var/mf var/features -o var/export
      kuberec export var/mf var/features -o var/export --index-recall 0.99
    """
    from kuberec.export import export as step
    from kuberec.retrieval.choice import IndexSettings

    print_manifest(step(model, features, output, IndexSettings(least_recall=index_recall)), output, as_json)


def validate_export(
    export: Annotated[Path, typer.Argument(help="The output of export.")],
    model: Annotated[Path, typer.Argument(help="The model that was exported.")],
    features: Annotated[Path, typer.Argument(help="The output of featurize that it was trained on.")],
    output: Output,
    as_json: Json = False,
) -> None:
    """Compare the scores of the SavedModel with those of the trained model. Exit code 1 where they differ.

    \b
    Examples:
      kuberec validate-export var/export var/mf var/features -o var/parity
    """
    from kuberec.validate_export import validate_export as step

    manifest = step(export, model, features, output)
    checks = json.loads((output / PARITY_FILE).read_text(encoding="utf-8"))["checks"]
    if as_json:
        print_json(manifest.__dict__ | {"checks": checks})
    else:
        print_checks(f"{manifest.kind} → {output}", checks)
    if not all(check["passed"] for check in checks):
        raise typer.Exit(1)


def _parse_setting(text: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"a setting has the form field=value (for example epochs=5), got {text!r}")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        return name.strip(), value
