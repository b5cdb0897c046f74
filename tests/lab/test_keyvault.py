from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from serialfix.lab.guest import PASSWORD
from serialfix.lab.server import Lab
from serialfix.lab.switches import SECRET_DISABLED, VAULT_FORBIDDEN, VaultFaults


class Reader:
    """One GET of a vault: status, body, headers."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        context = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        self.audience = f"https://{lab.cloud.vault_suffix}"

    async def __call__(
        self, path: str, *, vault: str = "lab", audience: str | None = None, token: str = ""
    ) -> tuple[int, Any, Any]:
        token = token or self.lab.cloud.tokens.mint(audience or self.audience)
        host = f"{vault}.{self.lab.cloud.vault_suffix}"
        async with self.session.get(
            f"https://127.0.0.1:{host.rpartition(':')[2]}{path}",
            headers={"Host": host, "Authorization": f"Bearer {token}"},
            server_hostname=host.partition(":")[0],
        ) as answer:
            return answer.status, await answer.json(), answer.headers


@pytest.fixture
async def read(lab: Lab) -> AsyncIterator[Reader]:
    reader = Reader(lab)
    yield reader
    await reader.session.close()


GOOD = "/secrets/myvm-admin?api-version=7.4"


async def test_each_vm_has_a_secret_from_the_start(read: Reader, lab: Lab) -> None:
    status, body, _ = await read(GOOD)
    assert (status, body["value"]) == (200, PASSWORD)
    assert body["id"].startswith(f"https://lab.{lab.cloud.vault_suffix}/secrets/myvm-admin/")
    status, body, _ = await read(GOOD.replace("?", f"/{'0' * 32}?"))
    assert status == 200
    assert lab.vaults.reads == {"lab/myvm-admin": 2}


async def test_vaults_may_be_added(read: Reader, lab: Lab) -> None:
    lab.vaults.secrets["corp"] = {"a": "b"}
    _, body, _ = await read("/secrets/A?api-version=7.4", vault="Corp")
    assert body["value"] == "b"


async def test_a_token_of_another_audience_gets_a_challenge(read: Reader, lab: Lab) -> None:
    for wrong in (lab.cloud.base_url, "https://vault.azure.net"):
        status, body, headers = await read(GOOD, audience=wrong)
        assert (status, body["error"]["code"]) == (401, "Unauthorized")
        assert "AKV10022" in body["error"]["message"]
        assert f'resource="{read.audience}"' in headers["WWW-Authenticate"]
    status, _, _ = await read(GOOD, token="x")
    assert status == 401
    assert not lab.vaults.reads


async def test_what_is_no_question(read: Reader) -> None:
    for path in ("/secrets", "/secrets/a_b?api-version=7.4", "/secrets/myvm-admin"):
        status, body, _ = await read(path)
        assert (status, body["error"]["code"]) == (400, "BadParameter")


async def test_a_vault_that_there_is_not_hangs_up(read: Reader) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await read(GOOD, vault="other")


async def test_the_switches(read: Reader, lab: Lab) -> None:
    lab.vaults.faults = VaultFaults(
        deny={"lab/myvm-admin": SECRET_DISABLED}, throttle={"lab": 1}, throttle_seconds=3
    )
    status, body, headers = await read(GOOD)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (429, "Throttled", "3")
    status, body, _ = await read(GOOD)
    assert (status, body["error"]["innererror"]) == (403, {"code": "SecretDisabled"})
    status, body, _ = await read("/secrets/other?api-version=7.4")
    assert (status, body["error"]["code"]) == (404, "SecretNotFound")
    lab.vaults.faults = VaultFaults(deny={"*": VAULT_FORBIDDEN})
    status, body, _ = await read("/secrets/other?api-version=7.4")
    assert status == 403
    assert "vaults/lab/secrets/other" in body["error"]["message"]
    assert "getSecret/action" in body["error"]["message"]
