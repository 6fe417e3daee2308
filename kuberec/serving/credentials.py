"""TLS of the gRPC port: the text proto that TF Serving reads from `--ssl_config_file`."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from kuberec.errors import ConfigError

TEXT, FLAG = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_BOOL
# The published stubs lack this message: name, number and type of its fields.
FIELDS = (("server_key", 1, TEXT), ("server_cert", 2, TEXT), ("custom_ca", 3, TEXT), ("client_verify", 4, FLAG))


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """The credentials of an SSLConfig file, which holds the PEM texts themselves, not paths.

    Raises:
        ConfigError: The file cannot be read, is no SSLConfig, or lacks key or certificate.
    """
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), _ssl_config())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ConfigError(
            f"The SSL config file {path} cannot be read: {error}. Expected a text proto of the fields "
            "server_key, server_cert, custom_ca and client_verify, with PEM texts."
        ) from error
    if not (config.server_key and config.server_cert):
        raise ConfigError(f"The SSL config file {path} lacks server_key or server_cert; both take PEM texts.")
    if config.client_verify and not config.custom_ca:
        raise ConfigError(f"The SSL config file {path} asks for client_verify and names no custom_ca to verify by.")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def _ssl_config() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="kuberec/ssl_config.proto", package="kuberec", syntax="proto3")
    message = file.message_type.add(name="SSLConfig")
    for name, number, kind in FIELDS:
        message.field.add(name=name, number=number, type=kind, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("kuberec.SSLConfig"))()
