"""A scriptable ARM and sign-in on loopback, for answers that a well-behaved lab never gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from serialfix.azure.identity import AzurePatience


SUB = "11111111-2222-3333-4444-555555555555"
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJ0aWQiOiJ0In0.c2lnbmF0dXJl"
QUICK = AzurePatience(retries=2, backoff=0.001, backoff_max=0.002, retry_after_max=2, poll=0.001)
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


def error(status: int, code: str, message: str = "The message.", **headers: str) -> Answer:
    """An ARM refusal."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": {"code": code, "message": message}}, named


@dataclass
class Arm:
    """Answers by method and path (in lower case); the last of several answers repeats."""

    base: str = ""
    routes: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    token_answer: Answer = (
        200,
        {"access_token": TOKEN, "expires_in": "86400", "token_type": "Bearer", "resource": "r"},
    )

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self.routes[method, path.lower()] = list(answers)

    def calls(self, method: str, ending: str = "") -> list[web.Request]:
        return [
            each
            for each in self.seen
            if each.method == method and each.path.lower().endswith(ending.lower())
        ]

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/msi/token":
            return as_response(self.token_answer)
        self.seen.append(request)
        text = await request.text()
        self.bodies.append(json.loads(text) if text else None)
        answers = self.routes.get((request.method, request.path.lower()))
        if not answers:
            return as_response(error(404, "ResourceNotFound", f"{request.path} was not found."))
        return as_response(answers.pop(0) if len(answers) > 1 else answers[0])


def as_response(answer: Answer) -> web.Response:
    status, body, headers = answer if len(answer) == 3 else (*answer, {})
    text = body if isinstance(body, str) else json.dumps(body, indent=2)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def vm_id(name: str = "myvm", group: str = "rg1", instance: str | None = None) -> str:
    kind = (
        f"virtualMachines/{name}"
        if instance is None
        else f"virtualMachineScaleSets/{name}/virtualMachines/{instance}"
    )
    return f"/subscriptions/{SUB}/resourceGroups/{group}/providers/Microsoft.Compute/{kind}"


def vm_body(change: Callable[[dict[str, Any]], object] | None = None, **ids: Any) -> dict[str, Any]:
    """A running Windows Server VM in the shape of azure.md §7; `change` edits its properties."""
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "vmId": "99999999-aaaa-bbbb-cccc-dddddddddddd",
        "storageProfile": {
            "imageReference": {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer"},
            "osDisk": {
                "osType": "Windows",
                "managedDisk": {
                    "id": f"/subscriptions/{SUB}/resourceGroups/DISKS/providers/"
                    "Microsoft.Compute/disks/myvm_os"
                },
            },
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        "instanceView": {
            "osName": "Windows Server 2022 Datacenter",
            "osVersion": "10.0.20348.2700",
            "bootDiagnostics": {},
            "vmAgent": {
                "statuses": [
                    {"code": "ProvisioningState/Unavailable", "displayStatus": "Not Ready"}
                ]
            },
            "statuses": [
                {"code": "ProvisioningState/succeeded"},
                {"code": "PowerState/running", "displayStatus": "VM running"},
            ],
        },
    }
    if change is not None:
        change(properties)
    place = vm_id(**ids)
    return {
        "name": place.rsplit("/", 1)[-1],
        "id": place,
        "location": "westeurope",
        "properties": properties,
    }
