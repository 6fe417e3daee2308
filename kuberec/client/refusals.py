"""Turns gRPC's errors into ones that say what to do."""

from typing import Any

import grpc

from kuberec.errors import ServingError

UNKNOWN_LABEL = "Unrecognized servable version label"


def refusal(error: Any, target: str, model: str, version: int | str | None, timeout: float) -> ServingError:
    """The error to raise for an `RpcError`, which stays its cause."""
    return ServingError(_explain(error.code(), error.details(), target, _name(model, version), timeout))


def _explain(code: grpc.StatusCode, details: str, target: str, asked: str, timeout: float) -> str:
    if code is grpc.StatusCode.UNAVAILABLE:
        return (
            f"No model server answers at {target}. Start one with `kuberec serve`, or name it with --target host:port. "
            f"(gRPC says: {details})"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The model server at {target} did not answer within {timeout:g} s. Ask again, or allow more time."
    if code is grpc.StatusCode.NOT_FOUND or details.startswith(UNKNOWN_LABEL):
        return f"The server at {target} serves no {asked} (it says: {details}). Promote one, or name another."
    return f"The server at {target} refused the request: {code.name}: {details}"


def _name(model: str, version: int | str | None) -> str:
    if version is None:
        return f"model {model!r}"
    return f"{'version labelled' if isinstance(version, str) else 'version'} {version!r} of model {model!r}"
