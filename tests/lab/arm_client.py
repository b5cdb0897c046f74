"""Plain HTTP against the lab, to see the answers as they are on the wire."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import aiohttp
import yarl

from serialfix.lab.server import Lab
from serialfix.lab.vm import SUBSCRIPTION


GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/lab-rg"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/myvm"
CONNECT = f"{VM}/providers/Microsoft.SerialConsole/serialPorts/0/connect"
CONNECT_ACTION = "Microsoft.SerialConsole/serialPorts/connect/action"
RESTART_ACTION = "Microsoft.Compute/virtualMachines/restart/action"
VERSION = {"api-version": "2024-07-01"}


class Client:
    """One ARM call: status, body, headers."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.token = lab.cloud.tokens.mint()
        context = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), max_field_size=16_384
        )

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        version: str | None = "2024-07-01",
    ) -> tuple[int, Any, Any]:
        token = self.token if token is None else token
        sent = {"Content-Type": "application/json"} | (headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("https") else self.lab.cloud.base_url + path
        if version and "api-version" not in url:
            url += ("&" if "?" in url else "?") + f"api-version={version}"
        async with self.session.request(
            method,
            yarl.URL(url, encoded=True),
            json=body,
            headers=sent,
            skip_auto_headers=["Content-Type"],
        ) as answer:
            text = await answer.text()
            return answer.status, (json.loads(text) if text else None), answer.headers


def error(body: Any) -> str:
    """The code of an error answer."""
    return str(body["error"]["code"])


async def operation_end(arm: Client, url: str) -> dict[str, Any]:
    """The last status of a long-running operation."""
    for _ in range(200):
        _, body, headers = await arm("GET", url)
        if body["status"] != "InProgress":
            return dict(body)
        assert "Retry-After" in headers
        await asyncio.sleep(0.005)
    raise AssertionError(body)
