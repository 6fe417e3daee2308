"""Which versions of a model are to be served: its folder on disk and its version policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kuberec.serving.config import local_path

INT64_MAX = 2**63 - 1


def wanted_versions(model: Any, model_files: Sequence[str] = ()) -> dict[int, Path]:
    """The version folders that a ModelConfig's policy chooses: the latest one unless it says otherwise.

    Args:
        model: The ModelConfig.
        model_files: Leave out folders with none of these, which are half-copied. Where none is named, every folder
            counts, as in TF Serving, which tries and fails to load them.

    Raises:
        OSError: The base path cannot be read.
    """
    found = find_versions(local_path(model.base_path), model_files)
    policy = model.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return found
        case "specific":
            return {version: found[version] for version in policy.specific.versions if version in found}
        case _:
            return _latest(found, policy.latest.num_versions or 1)


def missing_versions(model: Any, wanted: Mapping[int, Path]) -> str:
    """Tells of the versions that a `specific` policy names and nobody finds; empty where there are none."""
    specific = model.model_version_policy.specific.versions
    return "; ".join(
        f"Version {version} of servable {model.name}, which was requested to be served as a 'specific' version in the "
        "servable's config, was not found in the file system"
        for version in specific
        if version not in wanted
    )


def find_versions(folder: Path, model_files: Sequence[str] = ()) -> dict[int, Path]:
    """The folders of one model that are named by a number; of two with the same number the last one."""
    found = {}
    for path in sorted(folder.iterdir()):
        number = version_number(path.name)
        if number is not None and (not model_files or any((path / name).is_file() for name in model_files)):
            found[number] = path
    return found


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for (leading zeros allowed), or None."""
    if not (name.isascii() and name.isdecimal()):
        return None
    return int(name) if int(name) <= INT64_MAX else None


def fingerprint(path: Path) -> str:
    """Changes when a file of the folder appears, disappears, grows or is written again."""
    stats = ((file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file())
    return ";".join(f"{file.relative_to(path)}:{stat.st_size}:{stat.st_mtime_ns}" for file, stat in stats)


def _latest(found: Mapping[int, Path], count: int) -> dict[int, Path]:
    return dict(sorted(found.items())[-count:])
