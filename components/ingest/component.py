"""`ingest`: read the sources into one dataset folder."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(source: str, location: str, revision: str, dataset: dsl.Output[dsl.Dataset]) -> None:
    """Read the interactions, users and items of a source; rows that cannot be parsed go to quarantine.

    Args:
        source: A built-in dataset's name, or the URI of a dataset.yaml.
        location: Folder or URI that already holds a built-in dataset's files; empty to fetch them.
        revision: Fingerprint of the source's files; part of the cache's key, so that changed data is read again.

    Returns:
        dataset: Parquet tables, the specification and the quarantine.
    """
    from kuberec.ingest import ingest

    print(f"{source}: revision {revision or 'unknown'}")
    manifest = ingest(source, dataset.path, location=location)
    dataset.metadata.update({"rows": str(manifest.rows), "content_hash": manifest.content_hash})
