"""Microsoft.SerialConsole: the subscription's switch, the ports, the connect call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from serialfix.lab.cloud import Refused, Ticket, refuse
from serialfix.lab.routing import (
    INSTANCE_PATH,
    SUBSCRIPTION_PATH,
    VM_PATH,
    Call,
    Route,
    reply,
    route,
)
from serialfix.lab.switches import NOT_PROVISIONED
from serialfix.lab.vm import LabVm


if TYPE_CHECKING:
    from aiohttp import web

PROVIDER = "/providers/Microsoft.SerialConsole"


async def get_console(call: Call) -> web.Response:
    """Whether the subscription has the serial console disabled."""
    return reply({"properties": {"disabled": _disabled(call)}}, pretty=False)


async def switch_console(call: Call) -> web.Response:
    """Enable or disable it."""
    subscription = call.params["sub"].lower()
    if call.request.path.lower().rstrip("/").endswith("disableconsole"):
        call.cloud.console_disabled.add(subscription)
    else:
        call.cloud.console_disabled.discard(subscription)
    return reply({"properties": {"disabled": _disabled(call)}}, pretty=False)


async def list_ports(call: Call) -> web.Response:
    """COM1 is the only port."""
    return reply({"value": [_port(call.vm)]}, pretty=False)


async def get_port(call: Call) -> web.Response:
    """Port 0; there is no other."""
    _only_port(call)
    return reply(_port(call.vm), pretty=False)


async def put_port(call: Call) -> web.Response:
    """Enable or disable the port."""
    _only_port(call)
    body = await call.json()
    call.vm.port_enabled = body.get("properties", {}).get("state", "enabled") == "enabled"
    return reply(_port(call.vm), pretty=False)


async def connect(call: Call) -> web.Response:
    """Hand out the address of a fresh websocket session."""
    _only_port(call)
    vm, cloud = call.vm, call.cloud
    # azure.md §1: without a Content-Type the call does not work, although it has no body
    if call.request.content_type != "application/json":
        raise refuse(
            415, "UnsupportedMediaType", "The request entity's media type is not supported."
        )
    if _disabled(call):
        raise refuse(
            403,
            "SerialConsoleDisabled",
            "Azure Serial Console is not enabled for this subscription, contact your subscription "
            "administrator to enable.",
        )
    if vm.boot_diagnostics in ("none", "disabled"):
        raise refuse(
            400,
            "BootDiagnosticsDisabled",
            "Azure Serial Console requires boot diagnostics to be enabled. Please enable boot "
            "diagnostics for this virtual machine.",
        )
    if vm.power_state != "running" or not vm.port_enabled:
        raise refuse(
            400,
            "VirtualMachineNotRunning",
            "Azure Serial Console requires a virtual machine to be running.",
        )
    for faults in call.faults:
        if cloud.rejected[faults] < faults.connect_rejects:
            cloud.rejected[faults] += 1
            raise Refused(NOT_PROVISIONED)
    ticket = Ticket(vm, container=uuid.uuid5(uuid.NAMESPACE_URL, vm.id).hex)
    cloud.tickets[ticket.session] = ticket
    vm.connects += 1
    host = cloud.base_url.replace("https://", "wss://")
    if any(faults.gateway_down for faults in call.faults):
        host = "wss://localhost:1"
    url = f"{host}/n/connector/{ticket.container}/sessions/{ticket.session}/client"
    return reply({"connectionString": url}, pretty=False)


def _disabled(call: Call) -> bool:
    return call.params["sub"].lower() in call.cloud.console_disabled


def _only_port(call: Call) -> None:
    if call.params["port"] != "0":
        raise refuse(404, "NotFound", f"Serial port {call.params['port']} was not found.")


def _port(vm: LabVm) -> dict[str, Any]:
    return {
        "id": f"{vm.id}{PROVIDER}/serialPorts/0",
        "name": "0",
        "type": "Microsoft.SerialConsole/serialPorts",
        "properties": {
            "state": "enabled" if vm.port_enabled else "disabled",
            "connectionState": "active" if vm.active else "inactive",
        },
    }


_CONSOLE = SUBSCRIPTION_PATH + PROVIDER + "/consoleServices/default"
_SERVICE = "Microsoft.SerialConsole/consoleServices"
_PORTS = "Microsoft.SerialConsole/serialPorts"

ROUTES: tuple[Route, ...] = (
    route("GET", _CONSOLE, f"{_SERVICE}/read", get_console),
    *(
        route("POST", f"{_CONSOLE}/{name}", f"{_SERVICE}/{name}/action", switch_console)
        for name in ("enableConsole", "disableConsole")
    ),
    *(
        entry
        for ports in (f"{path}{PROVIDER}/serialPorts" for path in (VM_PATH, INSTANCE_PATH))
        for entry in (
            route("GET", ports, f"{_PORTS}/read", list_ports),
            route("GET", ports + "/{port}", f"{_PORTS}/read", get_port),
            route("PUT", ports + "/{port}", f"{_PORTS}/write", put_port),
            route("POST", ports + "/{port}/connect", f"{_PORTS}/connect/action", connect),
        )
    ),
)
