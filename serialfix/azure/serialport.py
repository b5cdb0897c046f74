"""The connect call: from a VM to the URL of its console."""

from __future__ import annotations

from serialfix.azure.identity import Azure
from serialfix.azure.vm import API_VERSION, path
from serialfix.errors import AzureRefused, TargetError
from serialfix.model import VmRef


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
