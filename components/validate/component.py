"""`validate`: check every row, set aside the broken ones, describe the rest."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    dataset: dsl.Input[dsl.Dataset],
    max_bad_share: float,
    validated: dsl.Output[dsl.Dataset],
    data_report: dsl.Output[dsl.HTML],
) -> None:
    """Check schema, ranges, duplicates, time order and references; fail when too many rows are bad.

    Args:
        dataset: What `ingest` wrote.
        max_bad_share: Greatest share of refused rows, 0 to 1.

    Returns:
        validated: The rows that hold, with statistics and the quarantine.
        data_report: Statistics and plots of the data.
    """
    import shutil

    from kuberec.validate import validate

    manifest = validate(dataset.path, validated.path, max_bad_share=max_bad_share)
    validated.metadata.update({"rows": str(manifest.rows), "content_hash": manifest.content_hash})
    shutil.copyfile(f"{validated.path}/report.html", data_report.path)
