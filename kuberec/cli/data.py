"""The verbs that make data: ingest, validate, split, featurize."""

from pathlib import Path
from typing import Annotated

import typer

from kuberec.cli.options import Json, Output, Seed
from kuberec.cli.output import print_manifest


def ingest(
    source: Annotated[str, typer.Argument(help="movielens-100k, movielens-1m, or a dataset.yaml (path or URI).")],
    output: Output,
    location: Annotated[str, typer.Option(help="Folder or URI that already holds MovieLens' files.")] = "",
    cache_dir: Annotated[Path | None, typer.Option(help="Where downloads are kept.")] = None,
    as_json: Json = False,
) -> None:
    """Read a dataset's raw files into typed tables; what cannot be parsed goes to quarantine.

    \b
    Examples:
      kuberec ingest movielens-100k -o var/dataset
      kuberec ingest shop/dataset.yaml -o var/dataset --json
    """
    from kuberec.ingest import ingest as step

    print_manifest(step(source, output, location=location, cache_dir=cache_dir), output, as_json)


def validate(
    dataset: Annotated[Path, typer.Argument(help="The output of ingest.")],
    output: Output,
    max_bad_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Greatest share of rows that may be refused.")
    ] = 0.01,
    as_json: Json = False,
) -> None:
    """Check the rows, write statistics and a report; broken rows go to quarantine with their reason.

    \b
    Examples:
      kuberec validate var/dataset -o var/validated
      kuberec validate var/dataset -o var/validated --max-bad-share 0.05
    """
    from kuberec.validate import validate as step

    print_manifest(step(dataset, output, max_bad_share=max_bad_share), output, as_json)


def split(
    validated: Annotated[Path, typer.Argument(help="The output of validate.")],
    output: Output,
    strategy: Annotated[str, typer.Option(help="temporal, leave_one_out, user, ratio or item.")] = "temporal",
    validation_share: Annotated[float, typer.Option(help="Share that chooses the model.")] = 0.1,
    test_share: Annotated[float, typer.Option(help="Share that judges it.")] = 0.1,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Divide the interactions into training, validation and test, without leaks.

    \b
    Examples:
      kuberec split var/validated -o var/split
      kuberec split var/validated -o var/split --strategy leave_one_out
    """
    from kuberec.split import split as step

    manifest = step(
        validated, output, strategy=strategy, validation_share=validation_share, test_share=test_share, seed=seed
    )
    print_manifest(manifest, output, as_json)


def featurize(
    split: Annotated[Path, typer.Argument(help="The output of split.")], output: Output, as_json: Json = False
) -> None:
    """Encode ids and features as training and serving share them.

    \b
    Examples:
      kuberec featurize var/split -o var/features
    """
    from kuberec.featurize import featurize as step

    print_manifest(step(split, output), output, as_json)
