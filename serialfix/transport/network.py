"""What every connection of ours obeys: which hosts are this machine, and whom TLS trusts."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from functools import lru_cache

from serialfix.errors import ConfigError


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine; only there may a token travel without TLS."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The system's trust and the certificates of `SSL_CERT_FILE`. Raises ConfigError."""
    return _context(environ.get("SSL_CERT_FILE"))


@lru_cache(maxsize=4)  # it takes a tenth of a second, and a megabyte
def _context(file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # OpenSSL ignores a file that is not there; the refusal that follows would puzzle everybody.
    if file:
        try:
            context.load_verify_locations(file)
        except OSError as error:
            raise ConfigError(
                f"SSL_CERT_FILE cannot be used: {file}: {error.strerror or error}",
                remedy="Let SSL_CERT_FILE name a file of PEM certificates, or unset it.",
            ) from None
    return context
