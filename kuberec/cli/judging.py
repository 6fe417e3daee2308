"""The verbs that judge: evaluate, gate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kuberec.cli.options import Json, Output, Seed
from kuberec.cli.output import print_checks, print_json, print_manifest


def evaluate(
    models: Annotated[list[Path], typer.Argument(help="One or more outputs of train.")],
    split: Annotated[Path, typer.Option(help="The output of split.")],
    features: Annotated[Path, typer.Option(help="The output of featurize.")],
    output: Output,
    k: Annotated[int, typer.Option("-k", min=1, help="Length of the ranked lists.")] = 10,
    baselines: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="A baseline to compare with; repeat for more. All by default."),
    ] = None,
    champion: Annotated[str, typer.Option(help="Folder of the version served today.")] = "",
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples of the intervals.")] = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Judge models on the whole catalogue beside strong baselines, with confidence intervals.

    \b
    Examples:
      kuberec evaluate var/mf var/triplet --split var/split --features var/features -o var/evaluation
      kuberec evaluate var/mf --split var/split --features var/features -o var/evaluation --baseline popularity
    """
    from kuberec.baselines import BASELINES
    from kuberec.evaluate import evaluate as step

    manifest = step(
        models,
        split,
        features,
        output,
        k=k,
        baselines=baselines or BASELINES,
        champion=champion,
        resamples=resamples,
        seed=seed,
    )
    print_manifest(manifest, output, as_json)


def gate(
    evaluation: Annotated[Path, typer.Option(help="The output of evaluate.")],
    split: Annotated[Path, typer.Option(help="The output of split.")],
    features: Annotated[Path, typer.Option(help="The output of featurize.")],
    export: Annotated[Path, typer.Option(help="The output of export.")],
    parity: Annotated[Path, typer.Option(help="The output of validate-export.")],
    output: Output,
    metric: Annotated[str, typer.Option(help="The metric that decides, name@k.")] = "ndcg@10",
    margin: Annotated[
        float,
        typer.Option(help="What the lead over each rival must exceed with confidence; negative: how far it may trail."),
    ] = -0.02,
    as_json: Json = False,
) -> None:
    """Decide whether the candidate may be promoted, and say why. Exit code 1 when it may not.

    \b
    Examples:
      kuberec gate --evaluation var/evaluation --split var/split \\
        --features var/features --export var/export \\
        --parity var/parity -o var/verdict
    """
    from kuberec.gate import gate as step

    verdict = step(evaluation, split, features, export, parity, output, metric=metric, margin=margin)
    if as_json:
        print_json({"passed": verdict.passed, "checks": [asdict(check) for check in verdict.checks]})
    else:
        decision = "The gate is open" if verdict.passed else "The gate stays shut"
        print_checks(f"{decision} → {output}", [asdict(check) for check in verdict.checks])
    if not verdict.passed:
        raise typer.Exit(1)
