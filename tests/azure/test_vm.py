from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from serialfix.azure.identity import Azure
from serialfix.azure.vm import find_vm, power_state, preflight
from serialfix.errors import (
    AccessError,
    AzureRefused,
    BootDiagnosticsDisabled,
    ConfigError,
    NotWindowsServer,
    SerialConsoleDisabled,
    SerialfixError,
    TargetError,
    VmNotRunning,
)
from serialfix.model import VmRef
from tests.azure.arm_double import SUB, Arm, error, vm_body, vm_id


COMPUTE = "providers/Microsoft.Compute"
LIST = f"/subscriptions/{SUB}/{COMPUTE}/virtualMachines"
SETS = f"/subscriptions/{SUB}/{COMPUTE}/virtualMachineScaleSets"
CONSOLE = f"/subscriptions/{SUB}/providers/Microsoft.SerialConsole/consoleServices/default"
REF = VmRef(SUB, "rg1", "myvm")
Change = Callable[[dict[str, Any]], object]


def scale_set(name: str = "myss", group: str = "rg1") -> dict[str, Any]:
    return {
        "name": name,
        "id": vm_id(name, group).replace("virtualMachines", "virtualMachineScaleSets"),
    }


def have(arm: Arm, *vms: dict[str, Any], sets: tuple[dict[str, Any], ...] = ()) -> None:
    """The subscription holds these."""
    arm.on("GET", LIST, (200, {"value": list(vms)}))
    arm.on("GET", SETS, (200, {"value": list(sets)}))
    for each in (*vms, *sets):
        arm.on("GET", each["id"], (200, each))


def ready(arm: Arm, change: Change | None = None, **ids: Any) -> None:
    body = vm_body(change, **ids)
    arm.on("GET", body["id"], (200, body))
    arm.on("GET", CONSOLE, (200, {"properties": {"disabled": False}}))


async def test_by_name(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(name="other"), vm_body(name="MyVM", group="RG1"))
    assert await find_vm(azure, name="myvm") == VmRef(SUB, "RG1", "MyVM")  # Azure's spelling


async def test_by_name_on_a_later_page(azure: Azure, arm: Arm) -> None:
    page = {"value": [vm_body(name="other")], "nextLink": f"{arm.base}/next?t=1"}
    arm.on("GET", LIST, (200, page))
    arm.on("GET", "/next", (200, {"value": [vm_body()]}))
    assert await find_vm(azure, name="myvm") == REF


async def test_by_name_and_group(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(), vm_body(group="rg2"))
    assert await find_vm(azure, name="myvm", resource_group="rg2") == VmRef(SUB, "rg2", "myvm")


async def test_by_id_nothing_is_asked(azure: Azure, arm: Arm) -> None:
    assert await find_vm(azure, vm_id=vm_id()) == REF
    assert arm.seen == []


async def test_ambiguous_lists_both_ids(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(), vm_body(group="rg2"))
    with pytest.raises(TargetError) as caught:
        await find_vm(azure, name="myvm")
    assert str(caught.value) == f"2 VMs are named 'myvm': {vm_id()}, {vm_id(group='rg2')}"
    assert caught.value.exit_code == 3
    assert "--resource-group" in caught.value.remedy


async def test_the_default_group_of_az_does_not_hide_ambiguity(
    environ: dict[str, str], arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_DEFAULTS_GROUP", "rg1")
    have(arm, vm_body(), vm_body(group="rg2"))
    async with Azure(environ=environ | {"AZURE_DEFAULTS_GROUP": "rg1"}) as azure:
        with pytest.raises(TargetError, match="2 VMs"):
            await find_vm(azure, name="myvm")


async def test_not_found_names_those_near(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(), vm_body(name="database"))
    with pytest.raises(TargetError) as caught:
        await find_vm(azure, name="myvn")
    assert str(caught.value) == (f"no VM named 'myvn' in subscription {SUB}; near it: {vm_id()}")


async def test_not_found_in_this_group_but_in_another(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(group="rg2"))
    with pytest.raises(TargetError, match="no VM named 'myvm' in resource group rg1") as caught:
        await find_vm(azure, name="myvm", resource_group="rg1")
    assert vm_id(group="rg2") in str(caught.value)


@pytest.mark.parametrize("code", ["ResourceGroupNotFound", "ResourceNotFound"])
async def test_a_group_that_is_not_there(azure: Azure, arm: Arm, code: str) -> None:
    have(arm, vm_body())
    arm.on("GET", vm_id(group="rg9"), error(404, code))
    with pytest.raises(TargetError, match="in resource group rg9") as caught:
        await find_vm(azure, name="myvm", resource_group="rg9")
    assert vm_id() in str(caught.value)


async def test_with_a_group_no_list_is_needed(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(group="RG1"))
    arm.on("GET", LIST, error(403, "AuthorizationFailed"))
    assert await find_vm(azure, name="MYVM", resource_group="rg1") == VmRef(SUB, "RG1", "myvm")


@pytest.mark.parametrize("status", [403, 404, 409])
async def test_nothing_near_and_hints_denied(azure: Azure, arm: Arm, status: int) -> None:
    have(arm)
    arm.on("GET", SETS, error(status, "TheCode"))
    with pytest.raises(TargetError) as caught:
        await find_vm(azure, name="myvm")
    assert "near" not in str(caught.value)
    assert "az vm list" in caught.value.remedy


async def test_a_subscription_that_is_not_there(azure: Azure, arm: Arm) -> None:
    arm.on("GET", LIST, error(404, "SubscriptionNotFound", "The subscription was not found."))
    with pytest.raises(TargetError, match="404 SubscriptionNotFound"):
        await find_vm(azure, name="myvm")


async def test_nothing_named(azure: Azure) -> None:
    with pytest.raises(ConfigError, match="no VM is named"):
        await find_vm(azure)


async def test_not_an_id(azure: Azure) -> None:
    with pytest.raises(TargetError, match="not the id of a virtual machine"):
        await find_vm(azure, vm_id="/subscriptions/x/resourceGroups/y")


async def test_a_scale_set_without_an_instance(azure: Azure, arm: Arm) -> None:
    have(arm, sets=(scale_set(),))
    with pytest.raises(TargetError, match="'myss' is a scale set") as caught:
        await find_vm(azure, name="myss")
    assert "--instance-id" in caught.value.remedy


@pytest.mark.parametrize("group", [None, "rg1"])
async def test_an_instance_by_name(azure: Azure, arm: Arm, group: str | None) -> None:
    have(arm, vm_body(name="myss"), sets=(scale_set(),))
    ref = await find_vm(azure, name="MYSS", resource_group=group, instance_id="0")
    assert ref == VmRef(SUB, "rg1", "myss", "0")


async def test_an_instance_by_id(azure: Azure) -> None:
    wanted = VmRef(SUB, "rg1", "myss", "3")
    assert await find_vm(azure, vm_id=wanted.id) == wanted
    assert await find_vm(azure, vm_id=wanted.id, instance_id="3") == wanted
    assert await find_vm(azure, vm_id=scale_set()["id"], instance_id="3") == wanted


async def test_a_scale_set_that_is_not_there(azure: Azure, arm: Arm) -> None:
    have(arm, sets=(scale_set(),))
    with pytest.raises(TargetError, match=r"no scale set named 'mysx'.*near it: .*/myss"):
        await find_vm(azure, name="mysx", instance_id="0")


async def test_preflight(azure: Azure, arm: Arm) -> None:
    ready(arm, group="RG1")
    facts = await preflight(azure, REF)
    assert facts.ref == VmRef(SUB, "RG1", "myvm")  # Azure's spelling
    assert facts.vm_id == "99999999-aaaa-bbbb-cccc-dddddddddddd"
    assert (facts.location, facts.power_state, facts.agent) == (
        "westeurope",
        "running",
        "not_ready",
    )
    assert facts.os_name == "Windows Server 2022 Datacenter"
    assert facts.os_version == "10.0.20348.2700"
    assert facts.os_disk_id.endswith("/disks/myvm_os")
    assert facts.boot_diagnostics
    assert facts.provisioning_state == "Succeeded"
    assert facts.notes == ()
    assert arm.seen[0].query["$expand"] == "instanceView"


def _set(*place: str, to: Any) -> Change:
    def change(properties: dict[str, Any]) -> None:
        for key in place[:-1]:
            properties = properties[key]
        if to is None:
            del properties[place[-1]]
        else:
            properties[place[-1]] = to

    return change


def _power(state: str) -> Change:
    return _set("instanceView", "statuses", to=[{"code": f"PowerState/{state}"}])


@pytest.mark.parametrize(
    ("change", "kind", "message", "remedy"),
    [
        (
            _set("diagnosticsProfile", to=None),
            BootDiagnosticsDisabled,
            "boot diagnostics are off",
            f"az vm boot-diagnostics enable --ids {vm_id()}",
        ),
        (
            _set("diagnosticsProfile", "bootDiagnostics", to={"enabled": False}),
            BootDiagnosticsDisabled,
            "boot diagnostics are off",
            "az vm boot-diagnostics enable",
        ),
        (_power("stopped"), VmNotRunning, "is stopped", f"az vm start --ids {vm_id()}"),
        (_power("deallocated"), VmNotRunning, "is deallocated", "az vm start"),
        (_power("starting"), VmNotRunning, "is starting", "Wait"),
        (_set("instanceView", to=None), VmNotRunning, "is unknown", "az vm start"),
        (
            _set("storageProfile", "osDisk", "osType", to="Linux"),
            NotWindowsServer,
            "is Windows Server 2022",
            "az vm repair",
        ),
        (
            _set("instanceView", "osName", to="Windows 11 Enterprise"),
            NotWindowsServer,
            "is Windows 11 Enterprise; SAC exists on Windows Server only",
            "az vm repair",
        ),
    ],
)
async def test_preflight_refusals(
    *,
    azure: Azure,
    arm: Arm,
    change: Change,
    kind: type[SerialfixError],
    message: str,
    remedy: str,
) -> None:
    ready(arm, change)
    with pytest.raises(kind, match=message) as caught:
        await preflight(azure, REF)
    assert caught.value.exit_code == 5
    assert remedy in caught.value.remedy


async def test_a_client_windows_with_a_silent_agent(azure: Azure, arm: Arm) -> None:
    def change(properties: dict[str, Any]) -> None:
        del properties["instanceView"]["osName"]
        properties["storageProfile"]["imageReference"] = {
            "publisher": "MicrosoftWindowsDesktop",
            "offer": "windows-11",
        }

    ready(arm, change)
    with pytest.raises(NotWindowsServer, match="MicrosoftWindowsDesktop windows-11"):
        await preflight(azure, REF)


@pytest.mark.parametrize("image", [None, {"id": "/a/gallery/image"}])
async def test_an_own_image_with_a_silent_agent_is_let_through(
    azure: Azure, arm: Arm, image: dict[str, str] | None
) -> None:
    def change(properties: dict[str, Any]) -> None:
        del properties["instanceView"]["osName"]
        del properties["instanceView"]["vmAgent"]
        properties["storageProfile"]["imageReference"] = image

    ready(arm, change)
    facts = await preflight(azure, REF)
    assert facts.agent == "unknown"
    assert any("does not know the Windows" in note for note in facts.notes)


async def test_the_console_is_disabled(azure: Azure, arm: Arm) -> None:
    ready(arm, _power("stopped"))
    arm.on("GET", CONSOLE, (200, {"properties": {"disabled": True}}))
    with pytest.raises(SerialConsoleDisabled) as caught:  # before the power state
        await preflight(azure, REF)
    assert f"az serial-console enable --subscription {SUB}" in caught.value.remedy


@pytest.mark.parametrize(
    "answer", [(404, {"code": "NotFound", "message": "m"}), error(403, "AuthorizationFailed")]
)
async def test_the_switch_of_the_console_cannot_be_read(
    azure: Azure, arm: Arm, answer: Any
) -> None:
    ready(arm)
    arm.on("GET", CONSOLE, answer)
    (note,) = (await preflight(azure, REF)).notes
    assert "is not known" in note
    assert answer[0] in (403, 404)
    assert str(answer[0]) in note


async def test_notes(azure: Azure, arm: Arm) -> None:
    def change(properties: dict[str, Any]) -> None:
        properties["provisioningState"] = "Updating"
        properties["instanceView"]["vmAgent"]["statuses"][0]["displayStatus"] = "Ready"
        properties["diagnosticsProfile"]["bootDiagnostics"]["storageUri"] = "http://x.blob/"
        del properties["storageProfile"]["osDisk"]["managedDisk"]

    ready(arm, change)
    facts = await preflight(azure, REF)
    assert facts.agent == "ready"
    assert facts.os_disk_id == ""
    text = " ".join(facts.notes)
    assert "az vm run-command" in text
    assert "https://" in text
    assert "Updating" in text


async def test_preflight_of_a_vm_that_is_not_there(azure: Azure, arm: Arm) -> None:
    have(arm, vm_body(name="myvm2"))
    with pytest.raises(TargetError, match=r"no VM named 'myvm' .*near it: .*/myvm2") as caught:
        await preflight(azure, REF)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AccessError), (403, AccessError), (409, AzureRefused)]
)
async def test_preflight_denied(
    azure: Azure, arm: Arm, status: int, kind: type[SerialfixError]
) -> None:
    arm.on("GET", vm_id(), error(status, "TheCode"))
    with pytest.raises(kind, match=f"to show myvm: {status} TheCode"):
        await preflight(azure, REF)


INSTANCE = VmRef(SUB, "rg1", "myss", "2")


async def test_preflight_of_an_instance(azure: Azure, arm: Arm) -> None:
    ready(arm, _set("diagnosticsProfile", to=None), name="myss", instance="2")
    facts = await preflight(azure, INSTANCE)
    assert facts.ref == INSTANCE
    assert facts.boot_diagnostics  # azure.md §4: managed is `{}` in the instance view


async def test_boot_diagnostics_off_on_an_instance(azure: Azure, arm: Arm) -> None:
    def change(properties: dict[str, Any]) -> None:
        del properties["diagnosticsProfile"]
        del properties["instanceView"]["bootDiagnostics"]

    ready(arm, change, name="myss", instance="2")
    with pytest.raises(BootDiagnosticsDisabled) as caught:
        await preflight(azure, INSTANCE)
    assert "az vmss update" in caught.value.remedy
    assert "--instance-ids 2" in caught.value.remedy


async def test_an_instance_that_is_stopped(azure: Azure, arm: Arm) -> None:
    ready(arm, _power("stopped"), name="myss", instance="2")
    with pytest.raises(VmNotRunning) as caught:
        await preflight(azure, INSTANCE)
    assert "az vmss start" in caught.value.remedy
    assert "--instance-ids 2" in caught.value.remedy


async def test_an_instance_that_is_not_there(azure: Azure, arm: Arm) -> None:
    have(arm, sets=(scale_set(),))
    with pytest.raises(TargetError, match="scale set 'myss' has no instance '2'"):
        await preflight(azure, INSTANCE)


@pytest.mark.parametrize("ref", [REF, INSTANCE])
async def test_power_state(azure: Azure, arm: Arm, ref: VmRef) -> None:
    view = {"statuses": [{"code": "ProvisioningState/updating"}, {"code": "PowerState/Running"}]}
    arm.on("GET", f"{ref.id}/instanceView", (200, view), (200, {}))
    assert await power_state(azure, ref) == "running"
    assert await power_state(azure, ref) == "unknown"


async def test_a_name_from_outside_stays_in_its_place(azure: Azure, arm: Arm) -> None:
    with pytest.raises(TargetError):
        await power_state(azure, VmRef(SUB, "rg1", "my?vm#"))
    assert arm.seen[0].path == f"{vm_id('my?vm#')}/instanceView"
