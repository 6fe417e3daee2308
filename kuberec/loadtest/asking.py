"""Sends one request to a model server and looks at what comes back, at as little cost as may be."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from kuberec.client import channels, questions, wire
from kuberec.errors import SourceError

KEEP_ALIVE_SECONDS = 60.0
UNREADABLE = "UNREADABLE"
"""The kind of error of an answer that is none: no PredictResponse, or one without outputs."""
OUTPUTS, SPEC, VERSION, VALUE = 1, 2, 2, 1  # fields of PredictResponse, ModelSpec and Int64Value


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        error: Name of the gRPC status code, or `UNREADABLE`; empty when all is well.
        detail: What the server said of the error.
        version: The version that answered, 0 after an error.
    """

    error: str = ""
    detail: str = ""
    version: int = 0


class Connection:
    """One HTTP/2 connection; a context manager that closes it. Any number of threads may ask at the same time.

    Args:
        target: `host:port`, or a name that leads to all replicas, such as `dns:///models.example:8500`.
        timeout: Seconds after which a request has failed.
        authorities: Certificates in PEM, one of which has signed that of the server; plain text when absent.
    """

    def __init__(self, target: str, timeout: float, authorities: bytes | None = None) -> None:
        address, options = channels.address([target]), channels.options([target], KEEP_ALIVE_SECONDS)
        if authorities is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities), options)
        self._predict = self._channel.unary_unary(questions.PREDICT)
        self._timeout = timeout

    def ask(self, message: bytes) -> tuple[bytes, Answer]:
        """Send a PredictRequest; the reply, and an answer that tells of errors only: `read` looks at the reply."""
        try:
            return self._predict(message, timeout=self._timeout), Answer()
        except grpc.RpcError as error:
            return b"", Answer(error.code().name, error.details() or "")
        except ValueError as error:
            # How gRPC says that the channel was closed meanwhile.
            return b"", Answer("CANCELLED", str(error))

    def __enter__(self) -> Self:
        """The connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection; requests that still run end."""
        self._channel.close()


def read_authorities(path: Path) -> bytes:
    """Certificates to trust, in PEM.

    Raises:
        SourceError: The file cannot be read, or holds no certificate.
    """
    try:
        certificates = path.read_bytes()
    except OSError as error:
        raise SourceError(f"The certificates in {path} cannot be read: {error}") from error
    if b"BEGIN CERTIFICATE" not in certificates:
        raise SourceError(f"{path} holds no certificate; PEM is expected, -----BEGIN CERTIFICATE----- and so on.")
    return certificates


def read(reply: bytes) -> Answer:
    """Who answered, and whether there is an answer at all; its content is not taken apart."""
    try:
        fields = wire.parse(reply)
        if not wire.chunks(fields, OUTPUTS):
            return Answer(UNREADABLE, "the answer holds no outputs")
        return Answer(version=wire.number(wire.message(wire.message(fields, SPEC), VERSION), VALUE))
    except ValueError as error:
        return Answer(UNREADABLE, str(error))
