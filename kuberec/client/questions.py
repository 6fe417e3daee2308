"""What may be asked of a model server: each request, and how its reply is read.

The field numbers are those of TensorFlow Serving's PredictRequest, GetModelStatusRequest, their replies and ModelSpec.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any, Generic, TypeVar

from kuberec.client import tensors, wire
from kuberec.client.answers import Answer, Prediction, VersionStatus
from kuberec.errors import ConfigError, ServingError

PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
RECOMMEND = "recommend"
LISTS = {
    "exclude": "exclude_item_ids",
    "history": "history_item_ids",
    "allow": "allow_item_ids",
    "categories": "categories",
}
"""The lists that a recommendation takes, by argument: the model's inputs."""
STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}

Version = int | str | None
"""A version's number, or a label that the server has put on one; None is the newest."""

T = TypeVar("T")


@dataclass(frozen=True)
class Question(Generic[T]):
    """A request, ready to be sent.

    Attributes:
        procedure: The remote procedure's path.
        request: Its message.
        read: Makes the answer of the reply's message.
        model: Whom it is for, for errors.
        version: As `model`.
    """

    procedure: str
    request: bytes
    read: Callable[[bytes], T]
    model: str
    version: Version

    def answer(self, reply: bytes) -> T:
        """What the reply says.

        Raises:
            ServingError: It does not hold what a model server answers.
        """
        try:
            return self.read(reply)
        except ValueError as error:
            raise ServingError(f"The answer of model {self.model!r} cannot be read: {error}.") from error


def recommend(
    model: str, user_ids: Sequence[str], k: int, version: Version, **lists: Sequence[Sequence[str]]
) -> Question[list[Answer]]:
    """The k best items for each user; each of `LISTS` holds a list for each, or a single one for all.

    Raises:
        ConfigError: k is no int32, or the lists do not go with the users.
    """
    inputs = {"user_id": tensors.strings(_ids(user_ids), [len(user_ids)]), "k": _encode("k", index(k))}
    # Left out when empty: the model's defaults hold, and models without these inputs take the request too.
    for name, rows in lists.items():
        if any(len(row) for row in rows):
            inputs[LISTS[name]] = _padded(LISTS[name], rows, len(user_ids))
    request = _predict(model, RECOMMEND, version, inputs, ())
    return Question(PREDICT, request, partial(_read_answers, users=len(user_ids)), model, version)


def predict(
    model: str, inputs: Mapping[str, Any], signature: str, outputs: Sequence[str], version: Version
) -> Question[Prediction]:
    """The outputs of a signature.

    Raises:
        ConfigError: An input cannot be sent.
    """
    encoded = {name: _encode(name, value) for name, value in inputs.items()}
    request = _predict(model, signature, version, encoded, outputs)
    return Question(PREDICT, request, _read_prediction, model, version)


def status(model: str, version: int | None) -> Question[list[VersionStatus]]:
    """The state of a version, or of all that the server knows."""
    return Question(STATUS, wire.content(1, _spec(model, "", version)), _read_status, model, version)


def _predict(
    model: str, signature: str, version: Version, inputs: Mapping[str, bytes], outputs: Sequence[str]
) -> bytes:
    entries = [wire.content(1, name.encode()) + wire.content(2, tensor) for name, tensor in inputs.items()]
    return b"".join(
        [
            wire.content(1, _spec(model, signature, version)),
            *(wire.content(2, entry) for entry in entries),
            *(wire.content(3, output.encode()) for output in outputs),
        ]
    )


def _spec(model: str, signature: str, version: Version) -> bytes:
    spec = wire.content(1, model.encode()) + wire.content(3, signature.encode())
    if version is None:
        return spec
    if isinstance(version, str):
        return spec + wire.content(4, version.encode())
    return spec + wire.content(2, wire.integer(1, index(version)))


def _ids(ids: Sequence[str]) -> Sequence[str]:
    if isinstance(ids, str):
        # It would be taken for a list of one-letter ids.
        raise ConfigError(f"A list of ids is expected, got the text {ids!r}; write [{ids!r}].")
    if strange := [one for one in ids if not isinstance(one, str)]:
        raise ConfigError(f"Ids are texts, got {strange[0]!r}; write {str(strange[0])!r}.")
    return ids


def _padded(name: str, rows: Sequence[Sequence[str]], users: int) -> bytes:
    if len(rows) not in (1, users):
        raise ConfigError(f"{name} holds {len(rows)} lists for {users} users; give one for each, or a single one.")
    width = max(len(_ids(row)) for row in rows)
    texts = [text for row in rows for text in (*row, *[""] * (width - len(row)))]
    return tensors.strings(texts, [len(rows), width])


def _encode(name: str, value: Any) -> bytes:
    try:
        return tensors.encode(value)
    except ValueError as error:
        raise ConfigError(f"The input {name!r} cannot be sent: {error}.") from error


def _read_answers(reply: bytes, users: int) -> list[Answer]:
    prediction = _read_prediction(reply)
    ids = _table(prediction.outputs, "item_ids", bytes, users)
    scores = _table(prediction.outputs, "scores", float, users)
    return [_answer(*row, prediction.version) for row in zip(ids, scores, strict=True)]


def _table(outputs: Mapping[str, Any], name: str, kind: type, users: int) -> list[list[Any]]:
    rows = outputs.get(name)
    if not isinstance(rows, list) or len(rows) != users or not all(_holds(row, kind) for row in rows):
        raise ValueError(f"an output {name} with a list of {kind.__name__} for each of {users} users is expected")
    return rows


def _holds(row: Any, kind: type) -> bool:
    return isinstance(row, list) and set(map(type, row)) <= {kind}


def _answer(item_ids: Sequence[bytes], scores: Sequence[float], version: int) -> Answer:
    if len(item_ids) != len(scores):
        raise ValueError(f"it holds {len(item_ids)} items and {len(scores)} scores for a user")
    # An empty id fills a list up to k.
    kept = [score for item, score in zip(item_ids, scores, strict=True) if item]
    return Answer([item.decode() for item in item_ids if item], kept, version)


def _read_prediction(reply: bytes) -> Prediction:
    fields = wire.parse(reply)
    entries = [wire.parse(entry) for entry in wire.chunks(fields, 1)]
    outputs = {wire.text(entry, 1): tensors.decode(b"".join(wire.chunks(entry, 2))) for entry in entries}
    version = wire.message(wire.message(fields, 2), 2)
    return Prediction(outputs, wire.number(version, 1))


def _read_status(reply: bytes) -> list[VersionStatus]:
    return [_version_status(wire.parse(entry)) for entry in wire.chunks(wire.parse(reply), 1)]


def _version_status(fields: wire.Fields) -> VersionStatus:
    state = STATES.get(wire.number(fields, 2), "UNKNOWN")
    return VersionStatus(wire.number(fields, 1), state, wire.text(wire.message(fields, 3), 2))
