from pathlib import Path

import pytest

from kuberec.errors import SourceError
from kuberec.loadtest.asking import read_authorities


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"The certificates in .*ca\.pem cannot be read"):
        read_authorities(tmp_path / "ca.pem")


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(SourceError, match="holds no certificate"):
        read_authorities(tmp_path / "ca.pem")
