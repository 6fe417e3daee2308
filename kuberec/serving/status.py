"""The error that a remote procedure answers with: a gRPC code and TF Serving's words."""

import grpc

MAX_MESSAGE = 1024
TRUNCATED = "...TRUNCATED"

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """A request cannot be answered; `code` and `message` go to the client."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid_argument(message: str) -> StatusError:
    """The request itself is at fault."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    """The model or the version is not served."""
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> StatusError:
    """The request may be right, but not now."""
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, message)


def unavailable(message: str) -> StatusError:
    """The server is not ready for this yet."""
    return StatusError(grpc.StatusCode.UNAVAILABLE, message)


def unimplemented(message: str) -> StatusError:
    """TF Serving has no such thing either."""
    return StatusError(grpc.StatusCode.UNIMPLEMENTED, message)


def internal(message: str) -> StatusError:
    """The model is at fault."""
    return StatusError(grpc.StatusCode.INTERNAL, message)


def unknown(message: str) -> StatusError:
    """A model cannot be served."""
    return StatusError(grpc.StatusCode.UNKNOWN, message)


def describe(code: int, message: str) -> str:
    """A status as TF Serving prints it: `Not found: …`."""
    return f"{from_number(code, '').code.name.replace('_', ' ').capitalize()}: {message}"


def from_number(code: int, message: str) -> StatusError:
    """The error of a canonical status number, as TensorFlow's errors carry it."""
    return StatusError(_CODES.get(code, grpc.StatusCode.UNKNOWN), message)


def shorten(message: str) -> str:
    """The message as it goes over the wire: at most 1024 characters, then a mark; as TF Serving does."""
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + TRUNCATED
