from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from serialfix.errors import ConfigError
from serialfix.transport.network import is_loopback, tls_context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "localhost.example.com", "10.0.0.1", "127.0.0.1.nip.io"]
)
def test_another_machine(host: str | None) -> None:
    assert not is_loopback(host)


def test_tls_verifies() -> None:
    assert tls_context({}).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_certificate_file_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="SSL_CERT_FILE cannot be used") as caught:
        tls_context({"SSL_CERT_FILE": str(file)})
    assert "ca.pem" in str(caught.value)
