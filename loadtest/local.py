"""A server of this machine to try load tests on: a small model of made-up data, in a process of its own."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kuberec.api import train
from kuberec.artifacts import write_text
from kuberec.errors import ServingError
from kuberec.export import export
from kuberec.features import Array, load_features
from kuberec.sources.synthetic import write_synthetic
from kuberec.work_folder import WorkFolder

MODEL = "synthetic"
FAMILY = "matrix_factorization"
EPOCHS = 3
SERVE = "import sys; from kuberec.cli import main; sys.exit(main(sys.argv[1:]))"
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Subject:
    """A model to test.

    Attributes:
        model: Its name.
        folder: Its versions.
        user_ids: File of the ids that it knows, the most active first.
        item_ids: File of the ids that it knows, the most popular first.
    """

    model: str
    folder: Path
    user_ids: Path
    item_ids: Path


def small_model(work_dir: Path) -> Subject:
    """Train and export a small model, or find the one made before; version 1 is the only one."""
    data = write_synthetic(work_dir / "data")
    model = train(data, family=FAMILY, work_dir=work_dir / "steps", epochs=EPOCHS)
    version = WorkFolder(work_dir / "steps").run(export, [model.folder, model.features], {})
    folder = work_dir / "models" / MODEL
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(version, folder / "1")
    features = load_features(model.features)
    subject = Subject(MODEL, folder, work_dir / "users.txt", work_dir / "items.txt")
    _write_ids(subject.user_ids, features.users.ids, features.train.user)
    _write_ids(subject.item_ids, features.items.ids, features.train.item)
    return subject


@contextmanager
def served(subject: Subject) -> Iterator[tuple[str, int]]:
    """Run `kuberec serve` on a free port; yields `localhost:port` and the process's id.

    Raises:
        ServingError: The server ended before it answered.
    """
    command = [sys.executable, "-c", SERVE, "serve", "--repository", str(subject.folder.parent), "--port", "0"]
    log = subject.folder.parent.with_name("server.log")
    with log.open("w") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as server:
        try:
            assert server.stdout
            first = re.search(r" on (\S+:\d+);", server.stdout.readline())
            if not first:
                raise ServingError(f"The server ended before it answered; {log} may say why.")
            yield first[1], server.pid
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


def _write_ids(path: Path, ids: Array, taken: Array) -> None:
    """All ids but the unknown one, most interactions first."""
    counts = np.bincount(taken, minlength=len(ids))[1:]
    order = np.argsort(-counts, kind="stable") + 1
    write_text(path, "\n".join(str(ids[n]) for n in order) + "\n")
