"""Encrypted connections, with certificates made for the test."""

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from kuberec.client import Retry, ServingError
from tests.kuberec.client.conftest import Connect

ONCE = Retry(tries=1)


@dataclass(frozen=True)
class Identity:
    """A private key and the certificate that it signed for itself, for the name localhost."""

    key: bytes
    certificate: bytes

    @classmethod
    def create(cls, folder: Path) -> "Identity":
        folder.mkdir()
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
        words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key", "-out", "cert"]
        subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)
        return cls((folder / "key").read_bytes(), (folder / "cert").read_bytes())


class HandOn(grpc.GenericRpcHandler):
    """Hands every request on to a server that speaks plain text."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        call = self._channel.unary_unary(details.method)
        return grpc.unary_unary_rpc_method_handler(lambda request, _: call(request, timeout=10))


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, Identity]:
    """The server's and the client's."""
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificates, is not installed")
    folder = tmp_path_factory.mktemp("identities")
    return Identity.create(folder / "server"), Identity.create(folder / "client")


@pytest.fixture(scope="module")
def secure(target: str, identities: tuple[Identity, Identity]) -> Iterator[dict[str, str]]:
    """Addresses of an encrypted server that takes every client, and of one that asks for a certificate."""
    ours, theirs = identities
    pair = [(ours.key, ours.certificate)]
    kinds = {
        "open": grpc.ssl_server_credentials(pair),
        "mutual": grpc.ssl_server_credentials(pair, theirs.certificate, require_client_auth=True),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    addresses = {
        kind: f"localhost:{server.add_secure_port('127.0.0.1:0', credentials)}" for kind, credentials in kinds.items()
    }
    with grpc.insecure_channel(target) as channel:
        server.add_generic_rpc_handlers([HandOn(channel)])
        server.start()
        yield addresses
        server.stop(grace=0).wait()


def test_a_server_whose_certificate_is_known_is_asked(
    connect: Connect, secure: dict[str, str], identities: tuple[Identity, Identity]
) -> None:
    credentials = grpc.ssl_channel_credentials(identities[0].certificate)
    assert connect(secure["open"], credentials=credentials).recommend("recommender", "ann", 1).item_ids == ["i1"]


def test_replicas_are_known_by_the_name_of_the_first(
    connect: Connect, secure: dict[str, str], identities: tuple[Identity, Identity]
) -> None:
    credentials = grpc.ssl_channel_credentials(identities[0].certificate)
    client = connect(secure["open"], secure["open"], credentials=credentials)
    assert client.recommend("recommender", "ann", 1).item_ids == ["i1"]


def test_a_server_may_ask_who_the_client_is(
    connect: Connect, secure: dict[str, str], identities: tuple[Identity, Identity]
) -> None:
    ours, theirs = identities
    known = grpc.ssl_channel_credentials(ours.certificate, theirs.key, theirs.certificate)
    assert connect(secure["mutual"], credentials=known).recommend("recommender", "ann", 1).item_ids == ["i1"]
    anonymous = grpc.ssl_channel_credentials(ours.certificate)
    assert refused(connect(secure["mutual"], credentials=anonymous, retry=ONCE))


def test_a_strange_certificate_is_not_trusted(
    connect: Connect, secure: dict[str, str], identities: tuple[Identity, Identity]
) -> None:
    credentials = grpc.ssl_channel_credentials(identities[1].certificate)
    # By number: the name stands for an IPv6 address too, where nobody listens, and gRPC tells of one of the two only.
    address = secure["open"].replace("localhost", "127.0.0.1")
    assert "CERTIFICATE_VERIFY_FAILED" in refused(connect(address, credentials=credentials, retry=ONCE))


def test_plain_text_does_not_reach_an_encrypted_server(connect: Connect, secure: dict[str, str]) -> None:
    assert refused(connect(secure["open"], retry=ONCE))


def refused(client: Any) -> str:
    with pytest.raises(ServingError, match="No model server answers") as caught:
        client.status("recommender")
    return str(caught.value)
