"""`evaluate`: rank the full catalogue with the models, the baselines and the champion; choose the candidate."""

from typing import List  # noqa: UP035  KFP reads lists of artifacts from typing.List alone

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    models: dsl.Input[List[dsl.Model]],  # noqa: UP006
    parts: dsl.Input[dsl.Dataset],
    features: dsl.Input[dsl.Dataset],
    champion: str,
    k: int,
    seed: int,
    evaluation: dsl.Output[dsl.Artifact],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Judge every model beside the baselines and the champion on the test part; validation chooses the candidate.

    Args:
        models: What `train` wrote, one folder a family.
        parts: What `split` wrote.
        features: What `featurize` wrote.
        champion: URI of the served version to beat; empty when there is none.
        k: Length of the ranked lists.
        seed: Seed of the bootstrap.

    Returns:
        evaluation: Metrics with intervals, figures by user, reports.
        candidate: The model that validation chose.
        metrics: The candidate's figures.
        report: The report with plots.
        summary: The report as text.
    """
    import shutil
    from pathlib import Path

    from kuberec.evaluate import evaluate

    folders = [Path(model.path) for model in models]
    manifest = evaluate(
        folders, parts.path, features.path, evaluation.path, k=int(k), champion=champion, seed=int(seed)
    )
    shutil.copytree(manifest.facts["candidate_folder"], candidate.path)
    for name, value in manifest.facts["metrics"].items():
        metrics.log_metric(name, value)
    shutil.copyfile(f"{evaluation.path}/metrics.json", metrics.path)
    shutil.copyfile(f"{evaluation.path}/report.html", report.path)
    shutil.copyfile(f"{evaluation.path}/report.md", summary.path)
