"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from kuberec.seeds import LIMIT

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write; an earlier one there is replaced.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=LIMIT - 1, help="Seed of everything random.")]
Repository = Annotated[Path, typer.Option("--repository", "-r", help="The model repository folder.")]
ModelName = Annotated[str, typer.Option("--model", "-m", help="The model's name in the repository.")]

REPOSITORY = Path("var/models")
MODEL_NAME = "recommender"
