"""tensorflow.ProfilerService: TensorFlow's profiler in this process, and files where the client wants them.

TensorFlow has a server of its own for this, which listens on a further port, of every address and without TLS.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import profiler_options_pb2, xplane_pb2

from kuberec.serving.protos import new_message

SERVICE = "tensorflow.ProfilerService"
LOOK_SECONDS = 0.01  # between two looks whether a profile is to end early
PROFILE = "*.xplane.pb"


class Profiler:
    """Takes profiles, one at a time."""

    def __init__(self) -> None:
        """Nothing is profiled yet."""
        self._ended: set[str] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """The gRPC handler of the service; its other procedures are UNIMPLEMENTED, as in TF Serving."""
        functions = {"Profile": ("ProfileRequest", self._profile), "Terminate": ("TerminateRequest", self._terminate)}
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    function,
                    request_deserializer=type(new_message(request)).FromString,
                    response_serializer=lambda response: response.SerializeToString(),
                )
                for name, (request, function) in functions.items()
            },
        )

    def _profile(self, request: Any, context: grpc.ServicerContext) -> Any:
        given = profiler_options_pb2.ProfileOptions.FromString(request.opts)
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=given.host_tracer_level,
            python_tracer_level=given.python_tracer_level,
            device_tracer_level=given.device_tracer_level,
        )
        with tempfile.TemporaryDirectory() as folder:
            try:
                tf.profiler.experimental.start(folder, options)
            except tf.errors.AlreadyExistsError as error:
                return context.abort(grpc.StatusCode.INTERNAL, error.message)
            try:
                self._wait(request.session_id, given.duration_ms / 1e3, context)
            finally:
                tf.profiler.experimental.stop()
            content = b"".join(file.read_bytes() for file in Path(folder).rglob(PROFILE))
        try:
            _write(request, content)
        except tf.errors.OpError as error:
            return context.abort(grpc.StatusCode.INTERNAL, error.message)
        response = new_message("ProfileResponse")
        planes = xplane_pb2.XSpace.FromString(content).planes
        response.empty_trace = not any(line.events for plane in planes for line in plane.lines)
        return response

    def _wait(self, session: str, seconds: float, context: grpc.ServicerContext) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and context.is_active() and session not in self._ended:
            time.sleep(LOOK_SECONDS)
        self._ended.discard(session)

    def _terminate(self, request: Any, _: grpc.ServicerContext) -> Any:
        self._ended.add(request.session_id)
        return new_message("TerminateResponse")


def _write(request: Any, content: bytes) -> None:
    """Write the profile where the request says, which may be a bucket: TensorBoard reads it there.

    Raises:
        tf.errors.OpError: There is no writing there.
    """
    folder = f"{request.repository_root}/{request.session_id}"
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(f"{folder}/{request.host_name.replace(':', '_')}.xplane.pb", "wb") as file:
        file.write(content)
