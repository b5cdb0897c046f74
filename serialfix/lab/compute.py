"""Microsoft.Compute: VMs, scale-set instances, power, disks, snapshots, run command."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from serialfix.lab.cloud import Operation, refuse, timestamp
from serialfix.lab.routing import (
    COMPUTE,
    GROUP_PATH,
    INSTANCE_PATH,
    SCALE_SET_PATH,
    SUBSCRIPTION_PATH,
    VM_PATH,
    Call,
    Route,
    accepted,
    not_found,
    reply,
    retry_after,
    route,
)
from serialfix.lab.shapes import (
    disk_id,
    disk_json,
    instance_json,
    instance_view,
    operation_json,
    scale_set_json,
    vm_json,
)
from serialfix.lab.vm import LabVm, Power


if TYPE_CHECKING:
    from aiohttp import web


async def get_vm(call: Call) -> web.Response:
    """A VM or an instance, with its instance view when asked for."""
    view = call.request.query.get("$expand", "").lower() == "instanceview"
    shape = vm_json if call.vm.scale_set is None else instance_json
    return reply(shape(call.vm, view=view), etag='"2"')


async def get_instance_view(call: Call) -> web.Response:
    """The instance view alone."""
    return reply(instance_view(call.vm))


async def list_vms(call: Call) -> web.Response:
    """The plain VMs of a subscription or resource group, in pages."""
    group = call.params.get("rg")
    query = call.request.query
    view = query.get("statusOnly") == "true" or query.get("$expand", "").lower() == "instanceview"
    vms = [vm for vm in call.cloud.select(call.params["sub"], group) if vm.scale_set is None]
    return page(call, [vm_json(vm, view=view, upper=group is None) for vm in vms])


async def get_scale_set(call: Call) -> web.Response:
    """The scale set itself."""
    return reply(scale_set_json(_instances(call)))


async def list_scale_sets(call: Call) -> web.Response:
    """The scale sets of a subscription or resource group, in pages."""
    sets: dict[tuple[str, str], list[LabVm]] = {}
    for vm in call.cloud.select(call.params["sub"], call.params.get("rg")):
        if vm.scale_set is not None:
            sets.setdefault((vm.resource_group.lower(), vm.scale_set.lower()), []).append(vm)
    return page(call, [scale_set_json(instances) for instances in sets.values()])


async def list_instances(call: Call) -> web.Response:
    """The instances of a scale set, in pages."""
    view = call.request.query.get("$expand", "").lower() == "instanceview"
    return page(call, [instance_json(vm, view=view) for vm in _instances(call)])


def page(call: Call, items: list[dict[str, Any]]) -> web.Response:
    """One page of a list, with the absolute address of the next one."""
    token = call.request.query.get("$skiptoken", "0")
    start = int(token) if token.isdigit() else 0
    end = start + call.cloud.page_size
    body: dict[str, Any] = {"value": items[start:end]}
    if end < len(items):
        kept = "&".join(
            f"{quote(key, safe='$')}={quote(value)}"
            for key, value in call.request.query.items()
            if key != "$skiptoken"
        )
        body["nextLink"] = f"{call.cloud.base_url}{call.request.path}?{kept}&$skiptoken={end}"
    return reply(body)


@dataclass(frozen=True, slots=True)
class PowerAction:
    """What a power action of ARM does to the guest and to the power state."""

    during: Power
    after: Power
    delay: Literal["restart", "start", "stop"]
    act: Callable[[LabVm], None]
    bucket: str = "UpdateVM"
    needs_running: bool = False


POWER_ACTIONS = {
    "restart": PowerAction(
        "running", "running", "restart", lambda vm: vm.guest.restart(), needs_running=True
    ),
    "start": PowerAction("starting", "running", "start", lambda vm: vm.guest.power_on()),
    "powerOff": PowerAction("stopping", "stopped", "stop", lambda vm: vm.guest.power_off()),
    "deallocate": PowerAction(
        "deallocating", "deallocated", "stop", lambda vm: vm.guest.power_off(), bucket="DeleteVM"
    ),
}


async def change_power(call: Call) -> web.Response:
    """Restart, start, power off, deallocate: 202 and a long-running operation."""
    vm = call.vm
    name = call.request.path.rstrip("/").rpartition("/")[2].lower()
    action = next(a for key, a in POWER_ACTIONS.items() if key.lower() == name)
    if action.needs_running and vm.power_state != "running":
        raise refuse(
            409,
            "OperationNotAllowed",
            "The operation requires the VM to be running (or set to run).",
        )
    vm.commands[name] += 1
    restart = name == "restart"
    fails = restart and any(faults.restart_fails for faults in call.faults)
    hangs = restart and any(faults.restart_hangs for faults in call.faults)
    operation = Operation(
        vm.subscription,
        vm.location,
        vm=vm,
        lost=restart and any(faults.restart_op_lost for faults in call.faults),
        error=(
            "InternalExecutionError",
            "An internal execution error occurred. Please retry later.",
        )
        if fails
        else None,
    )
    if vm.power_state == action.after and not restart:
        return accepted(call, call.cloud.run(operation, 0))
    if not (fails or hangs):
        vm.power = action.during
        action.act(vm)
        if not restart or vm.gateway.restart_cuts:
            call.cloud.cut(vm)

    def settle() -> None:
        vm.power = action.after
        vm.provisioning = "Succeeded"

    vm.provisioning = "Updating"
    delay = getattr(call.cloud.delays, action.delay)
    call.cloud.run(operation, None if hangs else delay, settle)
    if fails:
        call.cloud.later(delay, lambda: setattr(vm, "provisioning", "Failed"))
    return accepted(call, operation)


async def get_operation(call: Call) -> web.Response:
    """The status of an operation; with monitor=true its result."""
    from aiohttp import web

    operation = call.cloud.operations.get(call.params["operation"].lower())
    if operation is None or operation.lost:
        raise refuse(
            404, "NotFound", f"The entity was not found. OperationId: {call.params['operation']}"
        )
    wait = {"Retry-After": retry_after(call.cloud.delays.retry_after)}
    if call.request.query.get("monitor") != "true":
        response = reply(operation_json(operation))
        if operation.ended is None:
            response.headers.update(wait)
        return response
    if operation.ended is None:
        return web.Response(
            status=202, headers={**wait, "Location": call.cloud.base_url + call.request.path_qs}
        )
    if operation.error:
        raise refuse(409, *operation.error)
    return web.Response(status=200) if operation.output is None else reply(operation.output)


async def get_disk(call: Call) -> web.Response:
    """The OS disk of one of the VMs."""
    name, group = call.params["disk"], call.params["rg"]
    for vm in call.cloud.select(call.params["sub"], group):
        if name.lower().startswith(vm.name.lower()) and vm.os_disk.lower() == name.lower():
            return reply(disk_json(vm))
    raise not_found(f"Microsoft.Compute/disks/{name}", group)


async def get_snapshot(call: Call) -> web.Response:
    """A snapshot made before."""
    snapshot = call.cloud.snapshots.get(call.request.path.rstrip("/").lower())
    if snapshot is None:
        name = f"Microsoft.Compute/snapshots/{call.params['snapshot']}"
        raise not_found(name, call.params["rg"])
    return reply(snapshot)


async def put_snapshot(call: Call) -> web.Response:
    """Make a snapshot of an OS disk (azure.md §8): 202 and a long-running operation."""
    cloud, body = call.cloud, await call.json()
    name, group, sub = (call.params[key] for key in ("snapshot", "rg", "sub"))
    if not re.fullmatch(r"\w[\w.-]{0,78}\w|\w", name):
        raise refuse(
            400,
            "InvalidParameter",
            f"The entity name '{name}' is invalid according to its validation rule: "
            r"^[^_\W][\w-._]{0,79}(?<![-.])$.",
        )
    groups = {known.lower(): known for known in cloud.resource_groups(sub)}
    if group.lower() not in groups:
        raise refuse(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    properties = body.get("properties", {})
    creation = properties.get("creationData", {})
    source = str(creation.get("sourceResourceId", ""))
    named = (vm for vm in cloud.vms if f"/{vm.name}_".lower() in source.lower())
    vm = next((vm for vm in named if disk_id(vm).lower() == source.lower()), None)
    if creation.get("createOption") != "Copy" or "location" not in body:
        raise refuse(
            400, "InvalidParameter", "Required parameter 'creationData' is missing (null)."
        )
    if vm is None:
        raise refuse(404, "NotFound", f"Disk {source.rpartition('/')[2]} is not found.")
    if body["location"].replace(" ", "").lower() != vm.location.lower():
        raise refuse(
            400, "InvalidParameter", "The snapshot and its source must be in the same location."
        )
    snapshot: dict[str, Any] = {
        "name": name,
        "id": f"/subscriptions/{vm.subscription}/resourceGroups/{groups[group.lower()]}"
        f"/providers/Microsoft.Compute/snapshots/{name}",
        "type": "Microsoft.Compute/snapshots",
        "location": vm.location,
        "tags": body.get("tags", {}),
        "sku": {"tier": "Standard", **body.get("sku", {"name": "Standard_LRS"})},
        "properties": {
            "osType": vm.image.os_type,
            "hyperVGeneration": "V2",
            "creationData": {
                **creation,
                "sourceUniqueId": str(uuid.uuid5(uuid.NAMESPACE_OID, source)),
            },
            "diskSizeGB": 127,
            "diskState": "Unattached",
            "incremental": bool(properties.get("incremental")),
            "timeCreated": timestamp(),
            "provisioningState": "Updating",
        },
    }
    cloud.snapshots[snapshot["id"].lower()] = snapshot
    operation = Operation(vm.subscription, vm.location, kind="DiskOperations", output=snapshot)

    def settle() -> None:
        snapshot["properties"]["provisioningState"] = "Succeeded"

    return accepted(call, cloud.run(operation, cloud.delays.snapshot, settle), snapshot)


async def run_command(call: Call) -> web.Response:
    """Run command needs a running VM and its agent (azure.md §9); it prints nothing here."""
    vm, body = call.vm, await call.json()
    if vm.power_state != "running":
        raise refuse(
            409,
            "OperationNotAllowed",
            "The operation requires the VM to be running (or set to run).",
        )
    if body.get("commandId") not in ("RunPowerShellScript", "EnableEMS", "RDPSettings"):
        raise refuse(404, "NotFound", "The entity was not found in this Azure location.")
    operation = Operation(
        vm.subscription,
        vm.location,
        vm=vm,
        error=None
        if vm.agent_ready
        else (
            "VMAgentStatusCommunicationError",
            f"VM '{vm.name}' has not reported status for VM agent or extensions.",
        ),
        output={
            "value": [
                {
                    "code": f"ComponentStatus/{stream}/succeeded",
                    "level": "Info",
                    "displayStatus": "Provisioning succeeded",
                    "message": "",
                }
                for stream in ("StdOut", "StdErr")
            ]
        },
    )
    return accepted(call, call.cloud.run(operation, call.cloud.delays.run_command))


def _instances(call: Call) -> list[LabVm]:
    params = call.params
    found = call.cloud.instances(params["sub"], params["rg"], params["ss"])
    if not found:
        raise not_found(f"Microsoft.Compute/virtualMachineScaleSets/{params['ss']}", params["rg"])
    return found


_VM = "Microsoft.Compute/virtualMachines"
_INSTANCE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
_SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
_SNAPSHOT_PATH = GROUP_PATH + COMPUTE + "/snapshots/{snapshot}"
_OPERATION_PATH = SUBSCRIPTION_PATH + COMPUTE + "/locations/{region}/"
_OPERATION_READ = "Microsoft.Compute/locations/operations/read"
_SNAPSHOT = "Microsoft.Compute/snapshots"

ROUTES: tuple[Route, ...] = (
    route("GET", VM_PATH, f"{_VM}/read", get_vm, "LowCostGet"),
    route(
        "GET",
        VM_PATH + "/instanceView",
        f"{_VM}/instanceView/read",
        get_instance_view,
        "LowCostGet",
    ),
    route("GET", GROUP_PATH + COMPUTE + "/virtualMachines", f"{_VM}/read", list_vms, "HighCostGet"),
    route(
        "GET",
        SUBSCRIPTION_PATH + COMPUTE + "/virtualMachines",
        f"{_VM}/read",
        list_vms,
        "HighCostGet",
    ),
    *(
        route("GET", place, f"{_SCALE_SET}/read", list_scale_sets, "HighCostGet")
        for place in (
            GROUP_PATH + COMPUTE + "/virtualMachineScaleSets",
            SUBSCRIPTION_PATH + COMPUTE + "/virtualMachineScaleSets",
        )
    ),
    route("GET", SCALE_SET_PATH, f"{_SCALE_SET}/read", get_scale_set, "LowCostGet"),
    route(
        "GET",
        SCALE_SET_PATH + "/virtualMachines",
        f"{_INSTANCE}/read",
        list_instances,
        "HighCostGet",
    ),
    route("GET", INSTANCE_PATH, f"{_INSTANCE}/read", get_vm, "GetVMScaleSetVM"),
    route(
        "GET",
        INSTANCE_PATH + "/instanceView",
        f"{_INSTANCE}/instanceView/read",
        get_instance_view,
        "GetVMScaleSetVM",
    ),
    *(
        route("POST", f"{path}/{name}", f"{kind}/{name}/action", change_power, action.bucket)
        for path, kind in ((VM_PATH, _VM), (INSTANCE_PATH, _INSTANCE))
        for name, action in POWER_ACTIONS.items()
    ),
    *(
        route("POST", f"{path}/runCommand", f"{kind}/runCommand/action", run_command, "UpdateVM")
        for path, kind in ((VM_PATH, _VM), (INSTANCE_PATH, _INSTANCE))
    ),
    *(
        route(
            "GET",
            _OPERATION_PATH + kind + "/{operation}",
            _OPERATION_READ,
            get_operation,
            "GetOperation",
        )
        for kind in ("operations", "DiskOperations")
    ),
    route("GET", GROUP_PATH + COMPUTE + "/disks/{disk}", "Microsoft.Compute/disks/read", get_disk),
    route("GET", _SNAPSHOT_PATH, f"{_SNAPSHOT}/read", get_snapshot),
    route("PUT", _SNAPSHOT_PATH, f"{_SNAPSHOT}/write", put_snapshot),
)
