from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from serialfix.azure.identity import Azure
from tests.azure.arm_double import QUICK, SUB, Arm


@pytest.fixture
async def arm() -> AsyncIterator[Arm]:
    """The double, listening."""
    double = Arm()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield double
    await runner.cleanup()


@pytest.fixture
def environ(arm: Arm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that talks to the double; azure-identity reads the real one."""
    for name in ("AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    signed_in = {
        "IDENTITY_ENDPOINT": f"{arm.base}/msi/token",
        "IDENTITY_HEADER": "x",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name, value in signed_in.items():
        monkeypatch.setenv(name, value)
    return {
        "SERIALFIX_ARM_ENDPOINT": arm.base,
        "AZURE_SUBSCRIPTION_ID": SUB,
        "AZURE_CONFIG_DIR": str(tmp_path),
    }


@pytest.fixture
async def azure(environ: dict[str, str]) -> AsyncIterator[Azure]:
    """Signed in to the double."""
    async with Azure(environ=environ, patience=QUICK) as signed_in:
        yield signed_in
