"""`split`: divide the interactions into training, validation and test."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(
    validated: dsl.Input[dsl.Dataset],
    strategy: str,
    validation_share: float,
    test_share: float,
    seed: int,
    parts: dsl.Output[dsl.Dataset],
) -> None:
    """Divide the interactions by a strategy whose rules against leakage are written beside the result.

    Args:
        validated: What `validate` wrote.
        strategy: temporal, leave_one_out, user, ratio or item.
        validation_share: Share of the interactions that choose the model.
        test_share: Share of the interactions that judge it.
        seed: Seed of the random strategies.

    Returns:
        parts: The three tables of interactions, the entities, and split.json.
    """
    from kuberec.split import split

    manifest = split(
        validated.path,
        parts.path,
        strategy=strategy,
        validation_share=validation_share,
        test_share=test_share,
        seed=int(seed),
    )
    parts.metadata.update({"rows": str(manifest.rows), "content_hash": manifest.content_hash})
