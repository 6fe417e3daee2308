"""Checkpoints: a killed run goes on from the last one as if it had never stopped."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kuberec.errors import ModelError

Array = npt.NDArray[Any]
PROGRESS = "progress"


@dataclass
class Progress:
    """Where a phase stands.

    Attributes:
        epoch: Passes done.
        best_epoch: Passes after which the validation metric was best.
        best_metric: That metric, or minus infinity.
        history: One record a pass.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_metric: float = float("-inf")
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The last checkpoint of each phase, one file a phase.

    Args:
        folder: Where they lie; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, phase: str, progress: Progress, variables: Sequence[tf.Variable]) -> None:
        """Write a phase's state atomically over its earlier one."""
        if not self.folder:
            return
        temporary = self.folder / f".{phase}.{uuid4().hex}.npz"
        arrays = {str(number): variable.numpy() for number, variable in enumerate(variables)}
        try:
            with temporary.open("wb") as stream:
                np.savez(stream, **arrays, **{PROGRESS: np.array(json.dumps(progress.__dict__))})
            temporary.replace(self._path(phase))
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self, phase: str, variables: Sequence[tf.Variable]) -> Progress:
        """Set the variables to a phase's last state; a fresh `Progress` where there is none.

        Raises:
            ModelError: The state is that of another network.
        """
        if not self.folder or not self._path(phase).exists():
            return Progress()
        with np.load(self._path(phase)) as stored:
            expected = [tuple(variable.shape) for variable in variables]
            got = [stored[str(number)].shape for number in range(len(stored.files) - 1)]
            if expected != got:
                raise ModelError(
                    f"the checkpoint {self._path(phase)} does not fit the network: shapes {expected} were expected, "
                    f"got {got}. Another version of Kuberec wrote it; delete {self.folder} and train anew."
                )
            for number, variable in enumerate(variables):
                variable.assign(stored[str(number)])
            return Progress(**json.loads(str(stored[PROGRESS])))

    def clear(self) -> None:
        """Remove the folder's checkpoints; the run is over."""
        if self.folder:
            for path in self.folder.glob("*.npz"):
                path.unlink()
            self.folder.rmdir()

    def _path(self, phase: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{phase}.npz"
