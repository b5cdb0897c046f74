from __future__ import annotations

import ssl
from pathlib import Path

from serialfix.lab.certificates import make_certificates, server_context


def test_the_bundle_trusts_the_server_and_keeps_the_public_roots(tmp_path: Path) -> None:
    chain, bundle = make_certificates(tmp_path)
    assert chain.stat().st_mode & 0o077 == 0
    client = ssl.create_default_context(cafile=str(bundle))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
    assert len(client.get_ca_certs()) > 50

    for name in ("localhost", "127.0.0.1"):
        outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(incoming, outgoing, server_hostname=name)
        theirs = server_context(chain).wrap_bio(outgoing, incoming, server_side=True)
        for _ in range(4):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ours.version() == "TLSv1.3"
