"""`promote`: publish the exported model as the next version of the repository."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote(
    exported: dsl.Input[dsl.Model],
    verdict: dsl.Input[dsl.Artifact],
    repository: str,
    model_name: str,
    git: str = "",
    environment: str = "dev",
    run: str = "",
) -> int:
    """Publish a version atomically; what is served is never overwritten, and equal content keeps its number.

    Args:
        exported: What `export` wrote.
        verdict: What `gate` wrote; a failed one is refused.
        repository: The model repository's folder or URI.
        model_name: The model's name in it.
        git: Git repository whose `version.yaml` says what is served: its label canary moves to the version; empty to
            publish alone.
        environment: The overlay there.
        run: Name of the run, for the history.
    """
    from kuberec.gitops.promotion import Environment, promote_version
    from kuberec.promote import promote

    version = promote(exported.path, verdict.path, repository, model_name)
    if git:
        promote_version(Environment(git, environment), repository, model_name, version, run=run)
    return int(version)
