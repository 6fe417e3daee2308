"""Opens a folder of interaction data as what `validate` writes, through the pipeline's own steps.

Nothing is written beside the data or into the project: everything goes into a work folder, under a name made of what
the source files hold, so that the same data is read once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.fingerprint import ROOT, code_digest
from benchmarks.quality.formats import NEGATIVES_FILE, recognise
from kuberec.artifacts import file_hash, new_artifact, read_manifest, write_text
from kuberec.dataset import DATASET_FILE, DatasetSpec, Positive, dump_dataset_spec, load_dataset_spec
from kuberec.fingerprint import digest
from kuberec.ingest import ingest
from kuberec.schema import ITEM, USER
from kuberec.validate import validate

WORK = ROOT / "var" / "benchmarks"
READERS = (
    "benchmarks/quality/formats.py",
    "kuberec/dataset.py",
    "kuberec/ingest.py",
    "kuberec/parsing.py",
    "kuberec/sources",
    "kuberec/validate.py",
)
"""What decides how the rows come out."""


@dataclass(frozen=True)
class Dataset:
    """Validated interactions.

    Attributes:
        name: Short name.
        validated: The output of `validate`.
        negatives: Test user and item → the items that the publisher ranks it against; empty where none are given.
    """

    name: str
    validated: Path
    negatives: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def spec(self) -> DatasetSpec:
        """The specification that the rows were read by."""
        return load_dataset_spec(self.validated / DATASET_FILE)


def open_data(folder: Path, work: Path = WORK, positive: Positive | None = None) -> Dataset:
    """Read a folder in any of the forms of `formats.FORMS`.

    Args:
        folder: The data; it is only read.
        work: Where the result is kept.
        positive: What counts as a positive in place of the dataset's own rule.

    Raises:
        SourceError: The folder is of no recognised form, or a file of it has a fault.
        DataError: Too many rows break a rule.
    """
    form = recognise(folder)
    contents = [[path.name, file_hash(path)] for path in form.find(folder)]
    rule = positive and positive.model_dump(mode="json")
    kept = work / "datasets" / digest([str(folder.resolve()), contents, rule, code_digest(*READERS)])
    source, validated = kept / "source", kept / "validated"
    if not (validated / "manifest.json").is_file():
        with new_artifact(source, "source") as (target, _):
            spec = form.convert(folder, target)
            spec = spec.model_copy(update={"positive": positive}) if positive else spec
            write_text(target / DATASET_FILE, dump_dataset_spec(spec))
        ingest(str(source / DATASET_FILE), kept / "dataset")
        validate(kept / "dataset", validated)
    return Dataset(load_dataset_spec(source / DATASET_FILE).name, validated, _negatives(source / NEGATIVES_FILE))


def _negatives(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    if not path.is_file():
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(row[USER], row[ITEM]): tuple(row["negatives"]) for row in rows}


def content(dataset: Dataset) -> str:
    """Content hash of the validated rows."""
    return read_manifest(dataset.validated).content_hash
