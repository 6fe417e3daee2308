"""A folder of step results that are made once: what a notebook's second call with the same data finds again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kuberec.artifacts import Manifest, read_manifest, verify_artifact
from kuberec.errors import ArtifactError

KEY_LENGTH = 16


class WorkFolder:
    """Artifacts under `<step>/<key>`, where the key tells everything that the step's result depends on.

    Args:
        path: The folder; it appears with its first artifact.
    """

    def __init__(self, path: Path | str) -> None:
        from kuberec.fingerprint import code_fingerprint

        self.path = Path(path)
        self._code = code_fingerprint(["kuberec"])

    def run(
        self, step: Callable[..., Manifest], inputs: Sequence[Any], settings: Mapping[str, Any], *, revision: str = ""
    ) -> Path:
        """The artifact of a step: the one made before from the same, or a new one.

        Args:
            step: A step's function; it takes its inputs, the output folder and its settings, in this order.
            inputs: Folders of artifacts, lists of them, or anything that JSON knows.
            settings: Its settings, JSON types only.
            revision: What else the result depends on.

        Raises:
            KuberecError: As the step. An artifact that is torn or was changed is made again.
        """
        from kuberec.fingerprint import digest

        key = digest([self._code, [_identity(each) for each in inputs], revision, settings])
        folder = self.path / step.__name__ / key[:KEY_LENGTH]
        try:
            verify_artifact(folder)
        except ArtifactError:
            step(*inputs, folder, **settings)
        return folder


def _identity(value: Any) -> Any:
    """An artifact's content hash, so that the same data made again is known as the same; other values themselves."""
    if isinstance(value, list):
        return [_identity(element) for element in value]
    return read_manifest(value).content_hash if isinstance(value, Path) else value
