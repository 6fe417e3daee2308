"""The client for ordinary programs: each question waits for its answer."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from kuberec.client import channels, questions
from kuberec.client.answers import Answer, Prediction, VersionStatus
from kuberec.client.questions import Question, T, Version
from kuberec.client.refusals import refusal
from kuberec.client.retries import TIMEOUT_SECONDS, Budget, Retry


class Client:
    """A connection to a model server or to its replicas; a context manager that closes it.

    Any number of threads may ask at the same time.
    """

    def __init__(
        self,
        *targets: str,
        timeout: float = TIMEOUT_SECONDS,
        retry: Retry | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        keep_alive: float = channels.KEEP_ALIVE_SECONDS,
    ) -> None:
        """Nothing is sent before the first question.

        Args:
            targets: `host:port` of each replica, asked in turn; or a single name that leads to all of them, such as
                `dns:///models.example:8500`.
            timeout: Seconds that a question may take, all of its tries and waits included.
            retry: How often a question is asked again; `Retry()` when absent.
            credentials: TLS, as `grpc.ssl_channel_credentials(...)` makes it; plain text when absent.
            keep_alive: Seconds of silence while an answer is due, after which the server is asked for a sign of life;
                without one the connection is given up, and the question asked again. Servers may refuse to be asked
                often.

        Raises:
            ConfigError: There is no target, or one of several is not `host:port`.
            ServingError: The name of one of several replicas cannot be looked up.
        """
        self.target = ", ".join(targets)
        self._timeout = timeout
        self._retry = retry or Retry()
        address, options = channels.address(targets), channels.options(targets, keep_alive)
        self._channel = (
            grpc.secure_channel(address, credentials, options)
            if credentials
            else grpc.insecure_channel(address, options)
        )
        self._procedures = {path: self._channel.unary_unary(path) for path in (questions.PREDICT, questions.STATUS)}

    def recommend(
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
        """The k best items for a user.

        Args:
            model: The model's name in the repository.
            user_id: Raw id; an unknown one gets the model's answer for the unknown.
            k: At least 1.
            exclude: Items never to show.
            history: Items the user just took, oldest first; they fold into the answer.
            allow: The only items to show; all where none is named.
            categories: `feature=value` of the items' categorical features; items with any of them are shown, all where
                none is named.
            version: A version's number, or a label that the server has put on one; None asks the newest.
            timeout: Seconds for this question; those of the client when absent.

        Raises:
            ServingError: The server does not answer in time, or refuses.
            ConfigError: An argument cannot be sent.
        """
        lists = {"exclude": [exclude], "history": [history], "allow": [allow], "categories": [categories]}
        question = questions.recommend(model, [user_id], k, version, **lists)
        return self._ask(question, timeout)[0]

    def recommend_many(
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
        """The k best items for each of many users, in one request.

        Args:
            model: As `recommend`; so are k, version and timeout.
            user_ids: `[B]` raw ids.
            k: At least 1.
            exclude: A list of items for each user, or a single one for all.
            history: A list of items for each user, or a single one for all.
            allow: A list of items for each user, or a single one for all.
            categories: A list of categories for each user, or a single one for all.
            version: A number or a label.
            timeout: Seconds.

        Returns:
            An answer for each user, in the order asked for.

        Raises:
            ServingError: The server does not answer in time, or refuses.
            ConfigError: An argument cannot be sent, or there are not as many lists as users.
        """
        lists = {"exclude": exclude, "history": history, "allow": allow, "categories": categories}
        return self._ask(questions.recommend(model, user_ids, k, version, **lists), timeout)

    def predict(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        signature: str = "",
        outputs: Sequence[str] = (),
        version: Version = None,
        timeout: float | None = None,
    ) -> Prediction:
        """Run any signature of a model, such as `score` or `similar_items`.

        Args:
            model: The model's name in the repository.
            inputs: By name: a value or nested lists of equal lengths. An int is sent as int32, a float as float32; an
                array, such as NumPy's or `array.array`, is sent in its own type.
            signature: Its name; the model's default one when empty.
            outputs: Names of the outputs to send; all of them when empty.
            version: A version's number, or a label that the server has put on one; None asks the newest.
            timeout: Seconds for this question; those of the client when absent.

        Raises:
            ServingError: The server does not answer in time, or refuses.
            ConfigError: An input cannot be sent.
        """
        return self._ask(questions.predict(model, inputs, signature, outputs, version), timeout)

    def status(self, model: str, version: int | None = None, *, timeout: float | None = None) -> list[VersionStatus]:
        """The state of a version, or of all that the server has seen, newest first.

        Args:
            model: The model's name in the repository.
            version: A version's number.
            timeout: Seconds for this question; those of the client when absent.

        Raises:
            ServingError: The server does not answer in time, or knows no such model or version.
        """
        return self._ask(questions.status(model, version), timeout)

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

    def _ask(self, question: Question[T], timeout: float | None) -> T:
        seconds = self._timeout if timeout is None else timeout
        budget = Budget(self._retry, seconds)
        while True:
            try:
                reply = self._procedures[question.procedure](question.request, timeout=budget.left)
            except grpc.RpcError as error:
                wait = budget.wait_after(error.code())
                if wait is None:
                    raise refusal(error, self.target, question.model, question.version, seconds) from error
                time.sleep(wait)
            else:
                return question.answer(reply)
