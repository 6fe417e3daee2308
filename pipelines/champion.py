"""The champion of a run: the served version that its candidate must beat.

The champion is the latest version of the repository, with one exception: a run that published that version itself and
is started again is judged against the rival it met the first time, or nothing unchanged could come from the cache and
every model would have to beat itself.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kuberec.artifacts import MANIFEST, read_manifest, write_json
from kuberec.promote import latest_version
from kuberec.storage import Folder, open_folder


@dataclass
class RunRecord:
    """What a run with certain settings did last time.

    Attributes:
        champion: The rival it met; "" when nothing was served.
        exported: Content hash of the model that it exported; "" before it came so far.
    """

    champion: str = ""
    exported: str = ""


def read_record(path: Path) -> RunRecord | None:
    """The record of an earlier run, None when there was none."""
    return RunRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write_record(path: Path, record: RunRecord) -> None:
    """Keep the record of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(record))


def find_champion(repository: str, model_name: str, earlier: RunRecord | None) -> str:
    """The folder of the version to beat; "" when nothing is served yet."""
    latest = latest_version(repository, model_name)
    if latest is None:
        return ""
    if earlier and earlier.exported == _content(latest) and _exists(earlier.champion):
        return earlier.champion
    return str(latest)


def _exists(champion: str) -> bool:
    return not champion or open_folder(champion).is_dir()


def _content(version: Folder) -> str:
    return read_manifest(version).content_hash if (version / MANIFEST).is_file() else ""
