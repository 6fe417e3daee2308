"""Publishes a new version of a model while requests run, as `promote` does: it appears whole."""

import shutil
import uuid
from pathlib import Path

from kuberec.errors import ServingError
from kuberec.promote import published_versions


def publish_copy(model: Path) -> int:
    """Copy a model's newest version to the next number.

    Args:
        model: The model's folder, which holds its versions and which the server watches.

    Returns:
        The new version.

    Raises:
        ServingError: There is no version, or the folder cannot be written.
    """
    # Servers take no name for a version that is no number.
    temporary = model / f".swap-{uuid.uuid4().hex}"
    try:
        versions = published_versions(model)
        if not versions:
            raise ServingError(f"{model} holds no version to copy; name a model's folder, <repository>/<model>.")
        newest = max(versions)
        shutil.copytree(versions[newest], temporary)
        temporary.rename(model / str(newest + 1))
    except OSError as error:
        raise ServingError(f"No new version can be published in {model}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return newest + 1
