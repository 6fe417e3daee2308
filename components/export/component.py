"""`export`: write the candidate as a SavedModel version."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def export(candidate: dsl.Input[dsl.Model], features: dsl.Input[dsl.Dataset], exported: dsl.Output[dsl.Model]) -> None:
    """Write a SavedModel that takes raw ids and answers as the offline model does.

    Args:
        candidate: The model that `evaluate` chose.
        features: What `featurize` wrote.

    Returns:
        exported: A version folder for TensorFlow Serving, with warm-up requests and a model card.
    """
    from kuberec.export import export

    manifest = export(candidate.path, features.path, exported.path)
    exported.metadata.update({"content_hash": manifest.content_hash})
