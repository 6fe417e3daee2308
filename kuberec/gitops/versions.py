"""`version.yaml`: which versions of each model are served, and which labels point at them.

    models:
      recommender:
        versions: [3, 4]
        labels: {stable: 4, canary: 4}

A label's previous version stays served until the next promotion: the way back needs no loading.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from kuberec.errors import PromotionError

STABLE, CANARY = "stable", "canary"
LABELS = (STABLE, CANARY)
WIDTH = 120
HINT = "Expected models: {NAME: {versions: [3, 4], labels: {stable: 3, canary: 4}}}"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Served:
    """What is served of a model.

    Attributes:
        versions: Rising.
        labels: The version that each label points at, one of `versions`.
    """

    versions: tuple[int, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)

    def moved(self, label: str, version: int) -> "Served":
        """With a label moved to a version.

        The first version gets every label, and `canary` never stays behind `stable`. Served are the versions with a
        label, and the one that the label has left.
        """
        if self.labels.get(label) == version:
            return self
        labels = {**({} if self.labels else dict.fromkeys(LABELS, version)), **self.labels, label: version}
        if label == STABLE:
            labels[CANARY] = max(version, labels.get(CANARY, version))
        left = {self.labels[label]} if label in self.labels else set()
        return Served(tuple(sorted({*labels.values(), *left})), labels)

    def only(self, label: str) -> "Served":
        """The version with a label, as if it were the only one: every label points at it. Nothing without the label."""
        if label not in self.labels:
            return Served()
        return Served((self.labels[label],), dict.fromkeys(self.labels, self.labels[label]))


def read_versions(text: str, source: str) -> dict[str, Served]:
    """What a version.yaml says, by model.

    Args:
        text: The file's text.
        source: Its name, for errors.

    Raises:
        PromotionError: It is no such file.
    """
    models = _load(text, source)["models"]
    return {str(name): _served(str(name), value, source) for name, value in models.items()}


def write_versions(text: str, model: str, served: Served, source: str) -> str:
    """The text with what is served of one model replaced; comments, order and the other models stay.

    Raises:
        PromotionError: The text is no version.yaml.
    """
    document = _load(text, source)
    models = document["models"]
    if not models:
        models.fa.set_block_style()
    entry = models.setdefault(model, CommentedMap())
    _fill(entry.setdefault("versions", _flow(CommentedSeq())), served.versions)
    labels = entry.setdefault("labels", _flow(CommentedMap()))
    for label in set(labels) - set(served.labels):
        del labels[label]
    labels.update(served.labels)
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()


def _fill(sequence: CommentedSeq, values: tuple[int, ...]) -> None:
    # In place: comments belong to the sequence that they stand beside.
    sequence.clear()
    sequence.extend(values)


def _flow(collection: Any) -> Any:
    collection.fa.set_flow_style()
    return collection


def _load(text: str, source: str) -> Any:
    try:
        document = _yaml().load(text)
    except YAMLError as error:
        raise PromotionError(f"{source} is no YAML: {' '.join(str(error).split())}. {HINT}") from error
    if not isinstance(document, dict) or not isinstance(document.get("models"), dict):
        raise PromotionError(f"{source} has no mapping `models`. {HINT}")
    return document


def _served(name: str, value: Any, source: str) -> Served:
    where = f"{source}: model {name!r}"
    if not _NAME.fullmatch(name):
        raise PromotionError(f"{where}: a model's name is made of letters, digits and `_.-`.")
    if not isinstance(value, dict) or set(value) - {"versions", "labels"} or "versions" not in value:
        raise PromotionError(f"{where} has {value!r}. {HINT}")
    versions, labels = value["versions"], value.get("labels", {})
    if not isinstance(versions, list) or not versions or not all(_is_version(number) for number in versions):
        raise PromotionError(f"{where}: versions are {versions!r}; expected a list of whole numbers, at least one.")
    if sorted(set(versions)) != list(versions):
        raise PromotionError(f"{where}: versions are {list(versions)}; expected each once, rising.")
    if not isinstance(labels, dict):
        raise PromotionError(f"{where}: labels are {labels!r}. {HINT}")
    wrong = {label: number for label, number in labels.items() if number not in versions}
    if wrong:
        raise PromotionError(f"{where}: labels {wrong} point at none of the versions {list(versions)}.")
    return Served(tuple(int(number) for number in versions), {str(label): int(labels[label]) for label in labels})


def _is_version(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = WIDTH
    yaml.preserve_quotes = True
    return yaml
