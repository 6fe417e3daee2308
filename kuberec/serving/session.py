"""How a version folder becomes a session, which is what runs its signatures."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuberec.serving.graph import SERVE_TAG, GraphSession
from kuberec.serving.lite import LITE_FILE, LiteSession

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")

Session = GraphSession | LiteSession


@dataclass(frozen=True)
class SessionOptions:
    """How models are opened and run.

    Attributes:
        tags: Of the graph of a SavedModel, all of them.
        intra_op_threads: Threads that run parts of an operation; 0 for one for each core.
        inter_op_threads: Threads that run the operations of requests with a deadline; 0 for one for each core.
        prefer_lite: Run a version's `model.tflite` where it has one.
        lite_interpreters: Requests that a TensorFlow Lite model runs at a time; 0 for one for each core.
        lite_signatures: Serve the signatures of a TensorFlow Lite model; False makes one of its tensors, as TF Serving
            does.
    """

    tags: Sequence[str] = (SERVE_TAG,)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    prefer_lite: bool = False
    lite_interpreters: int = 0
    lite_signatures: bool = True

    @property
    def model_files(self) -> tuple[str, ...]:
        """A folder with one of these can be opened."""
        return (*SAVED_MODEL_FILES, LITE_FILE) if self.prefer_lite else SAVED_MODEL_FILES

    def open(self, folder: Path) -> Session:
        """Load the model of a version folder.

        Raises:
            tf.errors.OpError, OSError, RuntimeError, ValueError: The folder holds no whole model.
        """
        if self.prefer_lite and (folder / LITE_FILE).is_file():
            interpreters = self.lite_interpreters or os.cpu_count() or 1
            return LiteSession(folder / LITE_FILE, interpreters, own_signatures=self.lite_signatures)
        return GraphSession(
            folder, self.tags, intra_op_threads=self.intra_op_threads, inter_op_threads=self.inter_op_threads
        )
