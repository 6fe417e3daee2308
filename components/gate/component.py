"""`gate`: decide whether the candidate may be promoted, and say why."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    evaluation: dsl.Input[dsl.Artifact],
    parts: dsl.Input[dsl.Dataset],
    features: dsl.Input[dsl.Dataset],
    exported: dsl.Input[dsl.Model],
    parity: dsl.Input[dsl.Artifact],
    metric: str,
    margin: float,
    verdict: dsl.Output[dsl.Artifact],
    reasons: dsl.Output[dsl.Markdown],
) -> bool:
    """Check integrity, then the candidate against the best baseline and the champion.

    Args:
        evaluation: What `evaluate` wrote.
        parts: What `split` wrote.
        features: What `featurize` wrote.
        exported: What `export` wrote.
        parity: What `validate_export` wrote.
        metric: The metric that decides, name@k.
        margin: By how much the candidate must lead.

    Returns:
        verdict: Every check with its reason.
        reasons: The same as text.
    """
    import shutil

    from kuberec.gate import gate

    decision = gate(
        evaluation.path, parts.path, features.path, exported.path, parity.path, verdict.path,
        metric=metric, margin=margin,
    )  # fmt: skip
    shutil.copyfile(f"{verdict.path}/verdict.md", reasons.path)
    return bool(decision.passed)
