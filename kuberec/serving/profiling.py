"""tensorflow.ProfilerService: passed on, byte by byte, to TensorFlow's own server in this process.

That server listens on a port of its own, of every address and without TLS. So it starts with the first request, and is
never there unless it was asked for.
"""

import functools
import socket
from typing import Any

import grpc
import tensorflow as tf

from kuberec.serving.services import seconds_left

PREFIX = "/tensorflow.ProfilerService/"


class ProfilerProxy(grpc.GenericRpcHandler):
    """Hands requests of any procedure of the service to TensorFlow, and its answers back."""

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a procedure of the service; None for those of other services."""
        procedure = handler_call_details.method
        if not procedure.startswith(PREFIX):
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: _pass_on(procedure, request, context))


def _pass_on(procedure: str, request: bytes, context: grpc.ServicerContext) -> Any:
    # Profiles may be of any size.
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"localhost:{_port()}", options=options) as channel:
        try:
            return channel.unary_unary(procedure)(request, timeout=seconds_left(context))
        except grpc.RpcError as error:
            return context.abort(error.code(), error.details())


@functools.cache
def _port() -> int:
    """The port of TensorFlow's profiler, started once in a process."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = int(free.getsockname()[1])
    tf.profiler.experimental.server.start(port)
    return port
