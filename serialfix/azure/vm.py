"""Finding the VM, and what must be true of it before anybody attaches."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from serialfix.azure.identity import Azure
from serialfix.errors import (
    AccessError,
    BootDiagnosticsDisabled,
    ConfigError,
    NotWindowsServer,
    SerialConsoleDisabled,
    SerialfixError,
    TargetError,
    VmNotRunning,
)
from serialfix.model import VmRef


API_VERSION = {"api-version": "2024-07-01"}
_VMS = "virtualMachines"
_SCALE_SETS = "virtualMachineScaleSets"


@dataclass(frozen=True, slots=True)
class VmFacts:
    """What Azure says of a VM that can be worked on.

    `ref` has Azure's own spelling. `agent` is `ready`, `not_ready` or `unknown`. `os_disk_id` is
    empty for an unmanaged disk. `notes` are advice for the person, none of them stops a run.
    """

    ref: VmRef
    vm_id: str
    location: str
    os_name: str
    os_version: str
    power_state: str
    agent: str
    boot_diagnostics: bool
    os_disk_id: str
    provisioning_state: str
    notes: tuple[str, ...] = ()


async def find_vm(
    azure: Azure,
    *,
    name: str | None = None,
    resource_group: str | None = None,
    vm_id: str | None = None,
    instance_id: str | None = None,
) -> VmRef:
    """The one target that is meant.

    A full id is taken as it is (`preflight` looks whether it exists). Raises TargetError when
    nothing or more than one thing is meant, ConfigError when nothing was named.
    """
    if vm_id:
        scale_set = instance_id is not None and not re.search(f"/{_VMS}/", vm_id, re.IGNORECASE)
        return VmRef.parse(f"{vm_id.rstrip('/')}/{_VMS}/{instance_id}" if scale_set else vm_id)
    if not name:
        raise ConfigError("no VM is named", remedy="Give --vm NAME or --ids ID.")
    subscription = await azure.subscription_id()
    found = await _named(
        azure, subscription, resource_group, _VMS if instance_id is None else _SCALE_SETS, name
    )
    if not found:
        raise await _not_found(azure, VmRef(subscription, resource_group or "", name, instance_id))
    if len(found) > 1:
        raise TargetError(
            f"{len(found)} VMs are named {name!r}: {', '.join(found)}",
            remedy="Say which one: --resource-group, or --ids with the full id.",
        )
    return VmRef.parse(found[0] + (f"/{_VMS}/{instance_id}" if instance_id is not None else ""))


async def preflight(azure: Azure, ref: VmRef) -> VmFacts:
    """Look whether the VM can be worked on through its console now.

    Raises TargetError, BootDiagnosticsDisabled, SerialConsoleDisabled, VmNotRunning,
    NotWindowsServer: each with the command that helps.
    """
    body = await _vm(azure, ref)
    ref = VmRef.parse(str(body.get("id") or ref.id))
    properties = _dig(body, "properties")
    view = _dig(properties, "instanceView")
    notes = []

    boot = _dig(properties, "diagnosticsProfile", "bootDiagnostics")
    # azure.md §4: a scale-set instance shows it in its instance view only.
    boot_on = bool(boot.get("enabled")) or (
        ref.instance_id is not None and view.get("bootDiagnostics") is not None
    )
    if not boot_on:
        raise BootDiagnosticsDisabled(
            f"boot diagnostics are off on {ref.label}; the serial console needs them",
            remedy=_remedies(ref)["boot diagnostics"],
        )
    storage = str(boot.get("storageUri") or "")
    if storage.startswith("http://"):
        notes.append(
            f"The boot diagnostics URI {storage} must begin with https:// (400 otherwise)."
        )

    notes += await _console_enabled(azure, ref)

    power = _power(view)
    if power != "running":
        raise VmNotRunning(
            f"{ref.label} is {power}; the serial console needs a running VM",
            remedy=_remedies(ref).get(power, _remedies(ref)["not running"]),
        )

    disk = _dig(properties, "storageProfile", "osDisk")
    image = _dig(properties, "storageProfile", "imageReference")
    os_name = str(view.get("osName") or "")
    if refusal := not_windows_server(str(disk.get("osType") or ""), os_name, image):
        raise NotWindowsServer(
            f"{ref.label} is {refusal}; SAC exists on Windows Server only",
            remedy="Repair it from its disk: `az vm repair create`.",
        )
    if not os_name:
        notes.append("Azure does not know the Windows inside (the VM agent is silent).")

    agent = _agent(view)
    if agent == "ready":
        notes.append(
            "The VM agent is Ready: `az vm run-command invoke` may be quicker than the console."
        )
    provisioning = str(properties.get("provisioningState") or "")
    if provisioning not in ("Succeeded", ""):
        notes.append(f"The VM's provisioning state is {provisioning}.")
    return VmFacts(
        ref=ref,
        vm_id=str(properties.get("vmId") or ""),
        location=str(body.get("location") or ""),
        os_name=os_name,
        os_version=str(view.get("osVersion") or ""),
        power_state=power,
        agent=agent,
        boot_diagnostics=boot_on,
        os_disk_id=str(_dig(disk, "managedDisk").get("id") or ""),
        provisioning_state=provisioning,
        notes=tuple(notes),
    )


async def power_state(azure: Azure, ref: VmRef) -> str:
    """`running`, `stopped`, `deallocated`, `starting`, ...; `unknown` when Azure names none."""
    view = await azure.request(
        "GET",
        f"{path(ref)}/instanceView",
        doing=f"to tell the power state of {ref.label}",
        action="Microsoft.Compute/virtualMachines/instanceView/read",
        params=API_VERSION,
    )
    return _power(view)


def path(ref: VmRef) -> str:
    """The id as it stands in a URL."""
    return quote(ref.id, safe="/()")


async def _vm(azure: Azure, ref: VmRef) -> dict[str, Any]:
    try:
        return await azure.request(
            "GET",
            path(ref),
            doing=f"to show {ref.label}",
            params={"$expand": "instanceView", **API_VERSION},
        )
    except TargetError as error:
        if "SubscriptionNotFound" in str(error):
            raise
        raise await _not_found(azure, ref) from error


async def _named(
    azure: Azure, subscription: str, group: str | None, kind: str, name: str | None = None
) -> list[str]:
    """Ids of the VMs or scale sets; only of that name, and in that group, when they are given."""
    place = f"/subscriptions/{subscription}"
    if group and name:  # who may read one VM need not be allowed to list its group
        place += f"/resourceGroups/{quote(group, safe='()')}"
        url = f"{place}/providers/Microsoft.Compute/{kind}/{quote(name, safe='()')}"
        try:
            found = await azure.request("GET", url, doing=f"to show {name}", params=API_VERSION)
        except TargetError as error:
            if "SubscriptionNotFound" in str(error):
                raise
            return []
        return [str(found["id"])]
    items = azure.pages(
        f"{place}/providers/Microsoft.Compute/{kind}",
        doing=f"to list the {kind} of the subscription",
        params=API_VERSION,
    )
    return [
        str(item["id"])
        async for item in items
        if name is None or str(item["name"]).casefold() == name.casefold()
    ]


async def _hints(
    azure: Azure, subscription: str, group: str | None, kind: str, name: str | None = None
) -> list[str]:
    """`_named`, but what cannot be had must not hide the error that it decorates."""
    try:
        return await _named(azure, subscription, group, kind, name)
    except SerialfixError:
        return []


async def _not_found(azure: Azure, ref: VmRef) -> TargetError:
    """Why nothing was found, with what was perhaps meant."""
    place = f"subscription {ref.subscription_id}"
    if ref.resource_group:
        place = f"resource group {ref.resource_group}, {place}"
    if ref.instance_id is None:
        sets = await _hints(azure, ref.subscription_id, ref.resource_group, _SCALE_SETS, ref.name)
        if sets:
            return TargetError(
                f"{ref.name!r} is a scale set: {', '.join(sets)}",
                remedy="Say which instance: --instance-id; "
                f"`az vmss list-instances -g GROUP -n {ref.name} -o table` shows them.",
            )
    kind = _VMS if ref.instance_id is None else _SCALE_SETS
    known: dict[str, list[str]] = {}
    for each in await _hints(azure, ref.subscription_id, None, kind):
        known.setdefault(each.rsplit("/", 1)[-1].casefold(), []).append(each)
    if ref.instance_id is not None and ref.name.casefold() in known:
        return TargetError(
            f"scale set {ref.name!r} has no instance {ref.instance_id!r} in {place}",
            remedy=f"`az vmss list-instances -g GROUP -n {ref.name} -o table` shows them.",
        )
    near = [
        each
        for match in difflib.get_close_matches(ref.name.casefold(), known, n=3)
        for each in known[match]
    ]
    noun = "VM" if ref.instance_id is None else "scale set"
    return TargetError(
        f"no {noun} named {ref.name!r} in {place}"
        + (f"; near it: {', '.join(near)}" if near else ""),
        remedy="Check --vm, --resource-group and --subscription; "
        "`az vm list -o table` shows what there is.",
    )


async def _console_enabled(azure: Azure, ref: VmRef) -> list[str]:
    """Raises SerialConsoleDisabled; a note when that cannot be learned."""
    try:
        answer = await azure.request(
            "GET",
            f"/subscriptions/{ref.subscription_id}"
            "/providers/Microsoft.SerialConsole/consoleServices/default",
            doing="to tell whether the serial console is enabled",
            action="Microsoft.SerialConsole/consoleServices/read",
            params=API_VERSION,
        )
    except (AccessError, TargetError) as error:
        # Enough to connect is not always enough to read this switch; the connect itself will tell.
        return [f"Whether the serial console is enabled is not known: {error}"]
    if _dig(answer, "properties").get("disabled"):
        raise SerialConsoleDisabled(
            f"the serial console is disabled for subscription {ref.subscription_id}",
            remedy=f"`az serial-console enable --subscription {ref.subscription_id}` "
            "(needs write permission on the subscription).",
        )
    return []


def _remedies(ref: VmRef) -> dict[str, str]:
    if ref.instance_id is None:
        return {
            "boot diagnostics": f"`az vm boot-diagnostics enable --ids {ref.id}`",
            "not running": f"`az vm start --ids {ref.id}`",
            "starting": "Wait until it runs, then try again.",
        }
    where = f"--subscription {ref.subscription_id} -g {ref.resource_group} -n {ref.name}"
    return {
        "boot diagnostics": f"`az vmss update {where} --set "
        "virtualMachineProfile.diagnosticsProfile.bootDiagnostics.enabled=true`, then "
        f"`az vmss update-instances {where} --instance-ids {ref.instance_id}`",
        "not running": f"`az vmss start {where} --instance-ids {ref.instance_id}`",
        "starting": "Wait until it runs, then try again.",
    }


def not_windows_server(os_type: str, os_name: str, image: Mapping[str, Any]) -> str:
    """What it is instead; empty when it is, or may be, Windows Server."""
    offer = f"{image.get('publisher') or ''} {image.get('offer') or ''}"
    if os_type.casefold() == "linux":
        return os_name or "Linux"
    if re.search(r"windows\s*server", os_name, re.IGNORECASE):
        return ""
    if re.search(r"windows\s*\d", os_name, re.IGNORECASE):
        return os_name
    # A client Windows is told by its image when the agent is silent (azure.md §1: no SAC there).
    if not os_name and re.search(r"windowsdesktop|windows-\d", offer, re.IGNORECASE):
        return f"a client Windows ({offer.strip()})"
    return ""


def _power(view: Mapping[str, Any]) -> str:
    codes = [str(each.get("code") or "") for each in view.get("statuses") or ()]
    return next(
        (c.split("/", 1)[1].lower() for c in codes if c.startswith("PowerState/")), "unknown"
    )


def _agent(view: Mapping[str, Any]) -> str:
    statuses = _dig(view, "vmAgent").get("statuses") or [{}]
    shown = str(statuses[0].get("displayStatus") or "")
    return {"Ready": "ready", "Not Ready": "not_ready"}.get(shown, "unknown")


def _dig(body: Any, *keys: str) -> Any:
    """The object at the end of `keys`; empty when Azure left something out on the way."""
    for key in keys:
        body = body.get(key) or {}
    return body
