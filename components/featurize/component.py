"""`featurize`: vocabularies and encoders that training and serving share."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def featurize(parts: dsl.Input[dsl.Dataset], features: dsl.Output[dsl.Dataset]) -> None:
    """Encode ids and features as numbers, fitted on nothing that belongs to the test.

    Args:
        parts: What `split` wrote.

    Returns:
        features: Vocabularies, entity tables and index arrays.
    """
    from kuberec.featurize import featurize

    manifest = featurize(parts.path, features.path)
    features.metadata.update({"rows": str(manifest.rows), "content_hash": manifest.content_hash})
