"""The step `validate_export`: load an export and compare its answers with those of the model it was made from."""

from pathlib import Path

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json
from kuberec.checks import checks_to_json
from kuberec.features import load_features
from kuberec.train import load_model

PARITY_FILE = "parity.json"


def validate_export(export: Path | str, model: Path | str, features: Path | str, output: Path | str) -> Manifest:
    """Check an export; a failed check is a fact for the gate and no error.

    Args:
        export: The output of `export`.
        model: The output of `train` that it was made from.
        features: The features that the model was trained on.
        output: Folder for `parity.json`: `{"checks": [{"name", "passed", "reason"}, …]}`.

    Raises:
        ArtifactError: The model was trained on other features, or an input is no finished artifact.
    """
    from kuberec.exporting.parity import check_parity

    fitted = load_model(model, load_features(features))
    parents = {"export": Path(export), "model": Path(model), "features": Path(features)}
    with new_artifact(output, "parity", parents=parents) as (folder, manifest):
        checks = list(check_parity(Path(export), fitted))
        write_json(folder / PARITY_FILE, {"checks": checks_to_json(checks)})
        manifest.facts = {"passed": all(check.passed for check in checks), "checks": len(checks)}
    return read_manifest(output)
