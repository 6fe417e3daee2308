"""Certificates for the servers of tests."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for `localhost`."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key, authority=True)

    def issue(self) -> tuple[str, str]:
        """A key and its certificate, as PEM texts."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return key.private_bytes(serialization.Encoding.PEM, *plain).decode(), self._sign(name, key)

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool = False) -> str:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write_ssl_config(self, path: Path, **fields: str) -> Path:
        """Write an SSL config file with a fresh certificate; other fields as given."""
        key, certificate = self.issue()
        texts = {"server_key": key, "server_cert": certificate} | fields
        quoted = {
            name: text if text == "true" else '"' + text.replace("\n", "\\n") + '"' for name, text in texts.items()
        }
        path.write_text("".join(f"{name}: {text}\n" for name, text in quoted.items()))
        return path
