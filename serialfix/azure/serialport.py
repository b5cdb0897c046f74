"""The serial port's calls: from a VM to the URL of its console, and orders beside it."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit, urlunsplit

from serialfix.azure.identity import Azure
from serialfix.azure.vm import API_VERSION, path
from serialfix.errors import AzureRefused, GatewayClosed, GatewayRejected, TargetError
from serialfix.model import VmRef
from serialfix.transport.network import is_loopback


_ACTION = "Microsoft.SerialConsole/serialPorts/connect/action"


async def connect(azure: Azure, ref: VmRef) -> str:
    """Ask for a session on COM1; returns its websocket URL, good for one attachment.

    Raises AccessError, TargetError (no such VM), AzureRefused, AzureUnreachable.
    """
    vm = path(ref).replace("/resourceGroups/", "/resourcegroups/", 1)
    port = f"{vm}/providers/Microsoft.SerialConsole/serialPorts/0"
    try:
        answer = await azure.request(
            "POST",
            f"{port}/connect",
            doing=f"to connect to the console of {ref.label}",
            action=_ACTION,
            params=API_VERSION,
            # azure.md §1: required, though the body is empty.
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
    except TargetError as error:
        await azure.request(
            "GET", path(ref), doing=f"to show {ref.label}", params=API_VERSION
        )  # raises when it is the VM that is missing
        raise AzureRefused(
            f"{ref.label} has no serial port 0: {error}",
            remedy="Create it: `az rest --method put --url "
            f'"{port}?api-version={API_VERSION["api-version"]}" '
            '--body \'{"properties":{"state":"enabled"}}\'`.',
        ) from error
    url = answer.get("connectionString")
    if not isinstance(url, str) or not url:
        raise AzureRefused(
            f"Azure connected to {ref.label} without naming the console's address",
            remedy="Try again; if it stays so, toggle boot diagnostics.",
        )
    return url


async def order(azure: Azure, url: str, command: str) -> None:
    """Give an order to the VM whose console is attached at `url` (azure.md §3). Never repeated.

    `nmi` crashes Windows, `reset` is a power cycle; the attachment outlives both. Raises
    AccessError, GatewayClosed (no such attachment any more), AzureRefused, AzureUnreachable.
    """
    body = {"command": command, "requestId": str(uuid.uuid4()), "commandParameters": {}}
    try:
        await azure.order(
            _order_url(url, command), body, doing=f"to send the {command}", action=_ACTION
        )
    except TargetError as error:
        raise GatewayClosed(f"the gateway knows this attachment no longer: {error}") from error


def _order_url(url: str, command: str) -> str:
    """The console's address with `/client` replaced; only TLS or this machine may get a token."""
    parts = urlsplit(url)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, "")
    secure = scheme == "https" or (scheme == "http" and is_loopback(parts.hostname))
    if not secure or not parts.path.endswith("/client"):
        raise GatewayRejected(f"the console's address takes no orders: {scheme}://{parts.hostname}")
    place = f"{parts.path.removesuffix('/client')}/adminCommand/{command}"
    return urlunsplit((scheme, parts.netloc, place, parts.query, ""))
