"""`export`: write the candidate as a SavedModel version."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def export(
    candidate: dsl.Input[dsl.Model],
    features: dsl.Input[dsl.Dataset],
    index_recall: float,
    exported: dsl.Output[dsl.Model],
) -> None:
    """Write a SavedModel that takes raw ids and answers as the offline model does.

    Args:
        candidate: The model that `evaluate` chose.
        features: What `featurize` wrote.
        index_recall: Least recall@10 of an index of a large catalogue; an index under it is refused.

    Returns:
        exported: A version folder for TensorFlow Serving, with warm-up requests and a model card.
    """
    from kuberec.export import export
    from kuberec.retrieval.choice import IndexSettings

    manifest = export(candidate.path, features.path, exported.path, IndexSettings(least_recall=index_recall))
    exported.metadata.update({"content_hash": manifest.content_hash})
