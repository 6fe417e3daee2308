"""`train`: fit one model family."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    features: dsl.Input[dsl.Dataset],
    family: str,
    epochs: int,
    seed: int,
    k: int,
    checkpoints: str,
    accelerators: int,
    model: dsl.Output[dsl.Model],
) -> None:
    """Fit one family, stopping early on the validation's ranking metric; resumes from checkpoints after a kill.

    Args:
        features: What `featurize` wrote.
        family: Folder name under models/.
        epochs: Greatest number of epochs; 0 for the family's own default. Families that are solved for have none.
        seed: Seed of everything random.
        k: Length of the ranked lists that decide when to stop.
        checkpoints: Folder that outlives the step; empty to train without checkpoints.
        accelerators: Number of GPUs that the step was given.

    Returns:
        model: Weights, hyperparameters and validation metrics.
    """
    from pathlib import Path

    from kuberec.train import train
    from kuberec.training.families import load_family

    print(f"{family}: {accelerators} accelerators")
    overrides = {"epochs": int(epochs)} if epochs and "epochs" in load_family(family).config.model_fields else {}
    folder = Path(checkpoints) if checkpoints else None
    manifest = train(
        features.path, model.path, family=family, overrides=overrides, seed=int(seed), checkpoints=folder, k=int(k)
    )
    model.metadata.update({"family": family, "content_hash": manifest.content_hash})
