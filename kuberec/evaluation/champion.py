"""The model that serves now, asked through its own signature with raw ids, as a client would."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from kuberec.errors import ArtifactError, ModelError
from kuberec.features import Features
from kuberec.recommender import PADDING, Recommendations

SIGNATURE = "recommend"
BATCH = 256


class ServedModel:
    """A SavedModel version as a `Recommender`; what users have been observed with is sent as `exclude_item_ids`.

    Args:
        folder: The version's folder.
        features: Who was observed with what.

    Raises:
        ArtifactError: The folder holds no SavedModel.
        ModelError: It has no signature `recommend`.
    """

    name = "champion"

    def __init__(self, folder: Path, features: Features) -> None:
        import tensorflow as tf

        try:
            self._model = tf.saved_model.load(str(folder))
        except OSError as error:
            raise ArtifactError(f"the champion {folder} is no SavedModel version: {error}") from error
        if SIGNATURE not in self._model.signatures:
            raise ModelError(f"the champion {folder} has no signature {SIGNATURE!r}: {list(self._model.signatures)}")
        self._ask = self._model.signatures[SIGNATURE]
        self._features = features
        self._starts = np.searchsorted(features.observed.user, np.arange(len(features.users) + 1))

    def recommend(self, user_ids: Sequence[str], k: int) -> Recommendations:
        """The k best items for each user; see `Recommender`."""
        answers = [self._answer(user_ids[start : start + BATCH], k) for start in range(0, len(user_ids), BATCH)]
        item_ids = np.concatenate([answer["item_ids"].numpy() for answer in answers])
        scores = np.concatenate([answer["scores"].numpy() for answer in answers])
        return Recommendations(np.char.decode(item_ids.astype(bytes), "utf-8").astype(object), scores)

    def _answer(self, user_ids: Sequence[str], k: int) -> Any:
        import tensorflow as tf

        nothing = tf.fill([len(user_ids), 1], PADDING)
        given = {
            "user_id": tf.constant(list(user_ids)),
            "k": tf.constant(k, tf.int32),
            "exclude_item_ids": tf.constant(self._observed(user_ids)),
            "history_item_ids": nothing,
            "allow_item_ids": nothing,
            "categories": nothing,
        }
        _, wanted = self._ask.structured_input_signature
        if unknown := sorted(set(wanted) - set(given)):
            raise ModelError(f"the champion's signature wants inputs that Kuberec does not know: {unknown}")
        return self._ask(**{name: given[name] for name in wanted})

    def _observed(self, user_ids: Sequence[str]) -> list[list[str]]:
        rows = self._features.users.indices(user_ids)
        item = self._features.observed.item
        seen = [self._features.items.ids[item[self._starts[row] : self._starts[row + 1]]].tolist() for row in rows]
        width = max(1, *(len(ids) for ids in seen))
        return [ids + [PADDING] * (width - len(ids)) for ids in seen]


@contextmanager
def local_folder(uri: str) -> Iterator[Path]:
    """A local folder with a URI's content; copied into a temporary one unless it is local already.

    Raises:
        ArtifactError: There is no such folder.
    """
    system, path = fsspec.url_to_fs(uri)
    if not system.isdir(path):
        raise ArtifactError(f"the champion {uri} is no folder; name a served version's, or leave it empty.")
    if "file" in system.protocol:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / "version"
        system.get(path, str(target), recursive=True)
        yield target
