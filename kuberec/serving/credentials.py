"""TLS of the gRPC port: the text proto that TF Serving reads from `--ssl_config_file`."""

from pathlib import Path

import grpc

from kuberec.errors import ConfigError
from kuberec.serving.protos import new_message, read_text

HINT = (
    "--ssl_config_file expects a text proto of the fields server_key, server_cert, custom_ca and client_verify, "
    "with PEM texts."
)


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """The credentials of an SSLConfig file, which holds the PEM texts themselves, not paths.

    Raises:
        ConfigError: The file cannot be read, is no SSLConfig, or lacks key or certificate.
    """
    config = read_text(path, new_message("SSLConfig"), HINT)
    if not (config.server_key and config.server_cert):
        raise ConfigError(f"The SSL config file {path} lacks server_key or server_cert; both take PEM texts.")
    if config.client_verify and not config.custom_ca:
        raise ConfigError(f"The SSL config file {path} asks for client_verify and names no custom_ca to verify by.")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
