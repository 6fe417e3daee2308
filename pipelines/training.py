"""The training pipeline: from raw events to a published version.

This file reads as a table of contents; each step is a folder under `components/` and a module of the same name under
`kuberec/`. A cluster runs the compiled form (`pipelines/compiled/training.yaml`), a laptop runs it through
`pipelines/local.py`.
"""

from typing import List  # noqa: UP035  KFP reads lists from typing.List alone

from kfp import dsl

from components.evaluate.component import evaluate
from components.export.component import export
from components.featurize.component import featurize
from components.gate.component import gate
from components.ingest.component import ingest
from components.promote.component import promote
from components.split.component import split
from components.train.component import train
from components.validate.component import validate
from components.validate_export.component import validate_export
from pipelines.resources import resources


@dsl.pipeline(name="training", description="From raw events to a published recommender, judged on the way")
def training(
    source: str = "movielens-100k",
    location: str = "",
    revision: str = "",
    max_bad_share: float = 0.01,
    strategy: str = "temporal",
    validation_share: float = 0.1,
    test_share: float = 0.1,
    families: List[str] = ["matrix_factorization", "triplet"],  # noqa: B006, UP006
    epochs: int = 0,
    seed: int = 0,
    accelerators: int = 0,
    checkpoints: str = "",
    k: int = 10,
    champion: str = "",
    metric: str = "ndcg@10",
    margin: float = -0.02,
    index_recall: float = 0.95,
    repository: str = "models",
    model_name: str = "recommender",
    git: str = "",
    environment: str = "dev",
) -> None:
    """Train every family, let validation choose one, judge it, export it, and publish it if the gate opens."""
    data = ingest(source=source, location=location, revision=revision)
    resources(data, cpu="2", memory="8G")

    rows = validate(dataset=data.outputs["dataset"], max_bad_share=max_bad_share)
    resources(rows, cpu="2", memory="8G")

    parts = split(
        validated=rows.outputs["validated"],
        strategy=strategy,
        validation_share=validation_share,
        test_share=test_share,
        seed=seed,
    )
    resources(parts, cpu="2", memory="8G")

    features = featurize(parts=parts.outputs["parts"])
    resources(features, cpu="2", memory="8G")

    with dsl.ParallelFor(families, parallelism=1) as family:
        model = train(
            features=features.outputs["features"],
            family=family,
            epochs=epochs,
            seed=seed,
            k=k,
            checkpoints=checkpoints,
            accelerators=accelerators,
        )
        resources(model, cpu="4", memory="16G", accelerators=accelerators)

    judged = evaluate(
        models=dsl.Collected(model.outputs["model"]),
        parts=parts.outputs["parts"],
        features=features.outputs["features"],
        champion=champion,
        k=k,
        seed=seed,
    )
    resources(judged, cpu="4", memory="16G")

    exported = export(
        candidate=judged.outputs["candidate"],
        features=features.outputs["features"],
        index_recall=index_recall,
    )
    resources(exported, cpu="2", memory="8G")

    parity = validate_export(
        exported=exported.outputs["exported"],
        candidate=judged.outputs["candidate"],
        features=features.outputs["features"],
    )
    resources(parity, cpu="2", memory="8G")

    verdict = gate(
        evaluation=judged.outputs["evaluation"],
        parts=parts.outputs["parts"],
        features=features.outputs["features"],
        exported=exported.outputs["exported"],
        parity=parity.outputs["parity"],
        metric=metric,
        margin=margin,
    )
    resources(verdict, cpu="1", memory="4G")

    with dsl.If(verdict.outputs["Output"] == True, name="passed"):  # noqa: E712  a comparison that KFP records
        version = promote(
            exported=exported.outputs["exported"],
            verdict=verdict.outputs["verdict"],
            repository=repository,
            model_name=model_name,
            git=git,
            environment=environment,
            run=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
        )
        resources(version, cpu="1", memory="2G")
        version.set_caching_options(enable_caching=False)  # it acts on the world: asked each time, idempotent
