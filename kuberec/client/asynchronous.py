"""The client for asyncio: the questions and answers of `Client`, each to be awaited."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from kuberec.client import channels, questions
from kuberec.client.answers import Answer, Prediction, VersionStatus
from kuberec.client.questions import Question, T, Version
from kuberec.client.refusals import refusal
from kuberec.client.retries import TIMEOUT_SECONDS, Budget, Retry


class AsyncClient:
    """A connection to a model server or to its replicas; an asynchronous context manager that closes it.

    To be made and used inside one running event loop. Any number of tasks may ask at the same time.
    """

    def __init__(
        self,
        *targets: str,
        timeout: float = TIMEOUT_SECONDS,
        retry: Retry | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        keep_alive: float = channels.KEEP_ALIVE_SECONDS,
    ) -> None:
        """Nothing is sent before the first question; arguments and errors as `Client`.

        Looking up the names of several replicas holds up the event loop; a single name does not.
        """
        self.target = ", ".join(targets)
        self._timeout = timeout
        self._retry = retry or Retry()
        address, options = channels.address(targets), channels.options(targets, keep_alive)
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address, options)
        )
        self._procedures = {path: self._channel.unary_unary(path) for path in (questions.PREDICT, questions.STATUS)}

    async def recommend(
        self,
        model: str,
        user_id: str,
        k: int = 10,
        *,
        exclude: Sequence[str] = (),
        history: Sequence[str] = (),
        allow: Sequence[str] = (),
        categories: Sequence[str] = (),
        version: Version = None,
        timeout: float | None = None,
    ) -> Answer:
        """The k best items for a user; arguments and errors as `Client.recommend`."""
        lists = {"exclude": [exclude], "history": [history], "allow": [allow], "categories": [categories]}
        question = questions.recommend(model, [user_id], k, version, **lists)
        return (await self._ask(question, timeout))[0]

    async def recommend_many(
        self,
        model: str,
        user_ids: Sequence[str],
        k: int = 10,
        *,
        exclude: Sequence[Sequence[str]] = (),
        history: Sequence[Sequence[str]] = (),
        allow: Sequence[Sequence[str]] = (),
        categories: Sequence[Sequence[str]] = (),
        version: Version = None,
        timeout: float | None = None,
    ) -> list[Answer]:
        """The k best items for each of many users, in one request; as `Client.recommend_many`."""
        lists = {"exclude": exclude, "history": history, "allow": allow, "categories": categories}
        return await self._ask(questions.recommend(model, user_ids, k, version, **lists), timeout)

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "",
        outputs: Sequence[str] = (),
        version: Version = None,
        timeout: float | None = None,
    ) -> Prediction:
        """Run any signature of a model; arguments and errors as `Client.predict`."""
        return await self._ask(questions.predict(model, inputs, signature, outputs, version), timeout)

    async def status(
        self, model: str, version: int | None = None, *, timeout: float | None = None
    ) -> list[VersionStatus]:
        """The state of a version, or of all that the server has seen, newest first; as `Client.status`."""
        return await self._ask(questions.status(model, version), timeout)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def _ask(self, question: Question[T], timeout: float | None) -> T:
        seconds = self._timeout if timeout is None else timeout
        budget = Budget(self._retry, seconds)
        while True:
            try:
                reply = await self._procedures[question.procedure](question.request, timeout=budget.left)
            except grpc.RpcError as error:
                wait = budget.wait_after(error.code())
                if wait is None:
                    raise refusal(error, self.target, question.model, question.version, seconds) from error
                await asyncio.sleep(wait)
            else:
                return question.answer(reply)
