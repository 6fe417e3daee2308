"""Asks a model server, Kuberec's own or TF Serving, for recommendations."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import predict_pb2

from kuberec.errors import ServingError
from kuberec.recommender import PADDING
from kuberec.serving.codec import decode, encode

DEADLINE_SECONDS = 5.0
PREDICT = "/tensorflow.serving.PredictionService/Predict"
SIGNATURE = "recommend"


@dataclass(frozen=True)
class Answer:
    """One user's recommendations.

    Attributes:
        item_ids: Best first; fewer than asked for where the catalogue is smaller.
        scores: Their scores, of the same length.
        version: The model version that answered.
    """

    item_ids: list[str]
    scores: list[float]
    version: int


class Client:
    """A connection to a model server; a context manager that closes it."""

    def __init__(self, target: str, *, timeout: float = DEADLINE_SECONDS) -> None:
        """Nothing is sent before the first question.

        Args:
            target: `host:port`.
            timeout: Deadline of each question in seconds.
        """
        self.target = target
        self._timeout = timeout
        self._channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)])
        self._predict = self._channel.unary_unary(
            PREDICT,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )

    def recommend(
        self,
        model: str,
        user_id: str,
        k: int = 10,
        *,
        exclude: Sequence[str] = (),
        history: Sequence[str] = (),
        version: int | None = None,
    ) -> Answer:
        """The k best items for a user.

        Args:
            model: The model's name in the repository.
            user_id: Raw id; an unknown one gets the model's answer for the unknown.
            k: At least 1.
            exclude: Items never to show.
            history: Items the user just took, oldest first; they fold into the answer.
            version: A version that is still kept; None asks the newest.

        Raises:
            ServingError: The server does not answer in time, or refuses.
        """
        request = _request(model, user_id, k, exclude, history)
        if version is not None:
            request.model_spec.version.value = version
        try:
            response = self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise ServingError(_explain(error, self.target, model, self._timeout)) from error
        return _answer(response)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()


def recommend(
    target: str,
    model: str,
    user_id: str,
    k: int = 10,
    *,
    exclude: Sequence[str] = (),
    history: Sequence[str] = (),
    timeout: float = DEADLINE_SECONDS,
) -> Answer:
    """Ask once, with a connection of its own; arguments and errors as `Client.recommend`."""
    with Client(target, timeout=timeout) as client:
        return client.recommend(model, user_id, k, exclude=exclude, history=history)


def _request(model: str, user_id: str, k: int, exclude: Sequence[str], history: Sequence[str]) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = SIGNATURE
    request.inputs["user_id"].CopyFrom(_strings([user_id]))
    request.inputs["k"].CopyFrom(encode(np.asarray(k, dtype=np.int32), types_pb2.DT_INT32))
    # Left out when empty: the model's defaults hold, and models without these inputs take the request too.
    if exclude:
        request.inputs["exclude_item_ids"].CopyFrom(_strings(exclude, batch=True))
    if history:
        request.inputs["history_item_ids"].CopyFrom(_strings(history, batch=True))
    return request


def _strings(values: Sequence[str], *, batch: bool = False) -> Any:
    array = np.array([value.encode() for value in values], dtype=object)
    return encode(array[None] if batch else array, types_pb2.DT_STRING)


def _answer(response: Any) -> Answer:
    ids = [item.decode() for item in decode(response.outputs["item_ids"])[0]]
    scores = decode(response.outputs["scores"])[0].tolist()
    kept = [(item, score) for item, score in zip(ids, scores, strict=True) if item != PADDING]
    return Answer([item for item, _ in kept], [score for _, score in kept], response.model_spec.version.value)


def _explain(error: Any, target: str, model: str, timeout: float) -> str:
    code, details = error.code(), error.details()
    if code is grpc.StatusCode.UNAVAILABLE:
        return (
            f"No model server answers at {target}. Start one with `kuberec serve`, or name it with --target host:port."
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The model server at {target} did not answer within {timeout:g} s. Ask again, or allow more time."
    if code is grpc.StatusCode.NOT_FOUND:
        return f"The server at {target} serves no model {model!r} (it says: {details}). Promote one, or name another."
    return f"The server at {target} refused the request: {code.name}: {details}"
