"""gRPC reflection: clients such as grpcurl ask the server itself which procedures and messages there are."""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection

from kuberec.serving.procedures import PACKAGE, PROCEDURES

_FILE = "tensorflow_serving/apis/services.proto"


def add_reflection(server: grpc.Server, others: Sequence[str] = ()) -> None:
    """Let the server describe its services.

    Args:
        server: Not yet started.
        others: Full names of services besides TF Serving's own.
    """
    own = [f"{PACKAGE}.{name}" for name in PROCEDURES]
    reflection.enable_server_reflection([*own, *others, reflection.SERVICE_NAME], server, _Descriptors())


class _Descriptors:
    """The pool of descriptors, which finds services by name but no procedures; some clients (ghz) ask for these."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, procedure = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            return found.methods_by_name[procedure].containing_service.file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def _describe_services() -> descriptor_pb2.FileDescriptorProto:
    # The published stubs describe the messages, but those of the services themselves are too old to be imported.
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=PACKAGE, syntax="proto3")
    dependencies = set()
    for name, procedures in PROCEDURES.items():
        service = file.service.add(name=name)
        for procedure, messages in procedures.items():
            request, response = (f".{message.DESCRIPTOR.full_name}" for message in messages)
            service.method.add(name=procedure, input_type=request, output_type=response)
            dependencies |= {message.DESCRIPTOR.file.name for message in messages}
    file.dependency.extend(sorted(dependencies))
    return file


descriptor_pool.Default().Add(_describe_services())
