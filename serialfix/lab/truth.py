"""What really happened, as JSON, and the switches: for demos and tests in other processes.

`GET /lab/vms`, `GET /lab/vms/NAME`, and `POST /lab/vms/NAME` with any of `{"power": "stopped",
"agent_ready": false, "arm": {...}, "gateway": {...}, "guest": {...}, "take_over": true,
"drop": true, "restart": true}`. `arm`, `gateway` and `guest` change single switches, the others
stay. `power` is what Azure says; `restart` is what a hypervisor can do, and Azure is not asked.

`POST /lab/regions/LOCATION` with `{"down": true}` takes a region down, and with `false` up again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from serialfix.lab.cloud import Cloud
from serialfix.lab.faults import ServiceFault
from serialfix.lab.gateway import Gateway
from serialfix.lab.switches import Refusal
from serialfix.lab.vm import POWER_TEXT, LabVm


if TYPE_CHECKING:
    from aiohttp import web

PLAIN: dict[str, tuple[object, ...]] = {
    "power": tuple(POWER_TEXT),
    "boot_diagnostics": ("managed", "none", "disabled", "custom"),
    "agent_ready": (True, False),
    "port_enabled": (True, False),
}


def truth_routes(cloud: Cloud, gateway: Gateway) -> list[web.RouteDef]:
    """The routes, without sign-in: the lab is on loopback only."""
    from aiohttp import web

    def find(request: web.Request) -> LabVm:
        for vm in cloud.vms:
            if request.match_info["name"].lower() in (vm.name.lower(), vm.id.lower()):
                return vm
        raise web.HTTPNotFound(text=f"the lab has no VM {request.match_info['name']!r}\n")

    async def list_all(_: web.Request) -> web.Response:
        return _reply([vm.truth() for vm in cloud.vms])

    async def get_one(request: web.Request) -> web.Response:
        return _reply(find(request).truth())

    async def switch(request: web.Request) -> web.Response:
        vm = find(request)
        try:
            change(vm, gateway, await request.json())
        except (AttributeError, TypeError, ValueError) as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        return _reply(vm.truth())

    async def region(request: web.Request) -> web.Response:
        location, settings = request.match_info["location"], await request.json()
        if settings not in ({"down": True}, {"down": False}):
            raise web.HTTPBadRequest(text='known are {"down": true} and {"down": false}\n')
        if settings["down"]:
            cloud.go_down(location)
        else:
            cloud.outages.pop(location.lower(), None)
        return _reply({"down": sorted(cloud.outages)})

    table: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
        ("GET", "/lab/vms", list_all),
        ("GET", "/lab/vms/{name}", get_one),
        ("POST", "/lab/vms/{name}", switch),
        ("POST", "/lab/regions/{location}", region),
    )
    return [web.route(method, path, handler) for method, path, handler in table]


def change(vm: LabVm, gateway: Gateway, settings: dict[str, Any]) -> None:
    """Turn switches. Raises TypeError, AttributeError or ValueError for what there is not."""
    for name, value in settings.items():
        if name == "arm":
            deny = {key: Refusal(**entry) for key, entry in value.get("deny", {}).items()}
            vm.arm = replace(vm.arm, **value | ({"deny": deny} if "deny" in value else {}))
        elif name == "gateway":
            vm.gateway = replace(vm.gateway, **value)
        elif name == "guest":
            guest: Any = vm.guest
            if "services" in value:
                faults = {key: ServiceFault(**each) for key, each in value["services"].items()}
                value |= {"services": faults}
            guest.faults = replace(guest.faults, **value)
        elif name in ("take_over", "drop"):
            getattr(gateway, name)(vm)
        elif name == "restart":
            vm.guest.restart()
        elif value in PLAIN.get(name, ()):
            setattr(vm, name, value)
        else:
            known = {"arm", "gateway", "guest", "take_over", "drop", "restart"} | set(PLAIN)
            raise ValueError(f"cannot set {name!r} to {value!r}; known are {sorted(known)}")


def _reply(body: Any) -> web.Response:
    from aiohttp import web

    def plain(value: Any) -> Any:
        return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)

    return web.json_response(text=json.dumps(body, indent=2, default=plain) + "\n")
