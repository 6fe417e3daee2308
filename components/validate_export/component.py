"""`validate_export`: check that the SavedModel answers as the offline model does."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate_export(
    exported: dsl.Input[dsl.Model],
    candidate: dsl.Input[dsl.Model],
    features: dsl.Input[dsl.Dataset],
    parity: dsl.Output[dsl.Artifact],
) -> None:
    """Compare scores to 1e-5 and ranks exactly, and probe the edges: unknown user, k above the catalogue.

    Args:
        exported: What `export` wrote.
        candidate: The model that it was written from.
        features: What `featurize` wrote.

    Returns:
        parity: The checks and their reasons; a failed one closes the gate.
    """
    from kuberec.validate_export import validate_export

    manifest = validate_export(exported.path, candidate.path, features.path, parity.path)
    parity.metadata.update({"content_hash": manifest.content_hash})
