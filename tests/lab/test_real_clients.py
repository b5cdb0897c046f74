"""The lab seen by clients that were not written for it: azure-identity, azure-mgmt-compute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.identity.aio import DefaultAzureCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.compute.models import VirtualMachine

from serialfix.lab.server import Lab
from serialfix.lab.switches import FORBIDDEN, ArmDelays, ArmFaults
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from tests.lab.doubles import FakeGuest


@pytest.fixture
def vm() -> LabVm:
    return LabVm(guest=FakeGuest(), tags={"team": "a"})


@pytest.fixture
async def lab(vm: LabVm, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    async with Lab([vm], delays=ArmDelays.instant(), page_size=2) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
        yield lab


@pytest.fixture
async def compute(lab: Lab) -> AsyncIterator[ComputeManagementClient]:
    async with (
        DefaultAzureCredential() as credential,
        ComputeManagementClient(
            credential,
            SUBSCRIPTION,
            base_url=lab.env["SERIALFIX_ARM_ENDPOINT"],
            credential_scopes=["https://management.azure.com/.default"],
            connection_verify=lab.env["SSL_CERT_FILE"],
        ) as client,
    ):
        yield client


async def test_get_with_instance_view(compute: ComputeManagementClient) -> None:
    vm = await compute.virtual_machines.get("lab-rg", "myvm", expand="instanceView")
    assert (vm.name, vm.location, vm.tags) == ("myvm", "westeurope", {"team": "a"})
    assert vm.storage_profile is not None
    assert vm.storage_profile.os_disk is not None
    assert vm.storage_profile.os_disk.os_type == "Windows"
    assert vm.diagnostics_profile is not None
    assert vm.diagnostics_profile.boot_diagnostics is not None
    assert vm.diagnostics_profile.boot_diagnostics.enabled is True
    view = await compute.virtual_machines.instance_view("lab-rg", "myvm")
    assert [status.code for status in view.statuses or []] == [
        "ProvisioningState/succeeded",
        "PowerState/running",
    ]
    assert vm.instance_view is not None
    assert view.os_name == vm.instance_view.os_name


async def test_a_missing_vm_has_code_and_message(compute: ComputeManagementClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        await compute.virtual_machines.get("lab-rg", "nosuch")
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"


async def test_list_all_walks_the_pages(lab: Lab, compute: ComputeManagementClient) -> None:
    lab.vms.extend(LabVm(guest=FakeGuest(), name=f"vm{n}") for n in range(4))
    names = [vm.name async for vm in compute.virtual_machines.list_all()]
    assert names == ["myvm", "vm0", "vm1", "vm2", "vm3"]
    names = [vm.name async for vm in compute.virtual_machines.list("LAB-RG")]
    assert len(names) == 5


async def test_restart_and_resume_from_a_continuation_token(
    lab: Lab, vm: LabVm, compute: ComputeManagementClient
) -> None:
    poller = await compute.virtual_machines.begin_restart("lab-rg", "myvm")
    token = poller.continuation_token()
    resumed = await compute.virtual_machines.begin_restart(
        "lab-rg", "myvm", continuation_token=token
    )
    await resumed.result()
    assert resumed.status() == "Succeeded"
    await poller.result()
    assert isinstance(vm.guest, FakeGuest)
    assert vm.guest.restarts == 1
    assert vm.commands["restart"] == 1


async def test_a_failed_restart_raises_with_its_code(
    vm: LabVm, compute: ComputeManagementClient
) -> None:
    vm.arm = ArmFaults(restart_fails=True)
    poller = await compute.virtual_machines.begin_restart("lab-rg", "myvm")
    with pytest.raises(HttpResponseError, match="InternalExecutionError"):
        await poller.result()


async def test_power_cycle_snapshot_and_run_command(
    vm: LabVm, compute: ComputeManagementClient
) -> None:
    machine: VirtualMachine = await compute.virtual_machines.get("lab-rg", "myvm")
    assert machine.storage_profile is not None
    assert machine.storage_profile.os_disk is not None
    assert machine.storage_profile.os_disk.managed_disk is not None
    body: Any = {
        "location": machine.location,
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "creationData": {
                "createOption": "Copy",
                "sourceResourceId": machine.storage_profile.os_disk.managed_disk.id,
            },
            "incremental": True,
        },
        "tags": {"serialfix-run": "r1"},
    }
    snapshot_poller: Any = await compute.snapshots.begin_create_or_update("lab-rg", "snap", body)
    snapshot = await snapshot_poller.result()
    assert (snapshot.provisioning_state, snapshot.incremental) == ("Succeeded", True)

    command: Any = {"commandId": "RunPowerShellScript", "script": ["hostname"]}
    run_poller: Any = await compute.virtual_machines.begin_run_command("lab-rg", "myvm", command)
    result = await run_poller.result()
    assert result.value[0].code == "ComponentStatus/StdOut/succeeded"

    await (await compute.virtual_machines.begin_deallocate("lab-rg", "myvm")).result()
    assert vm.truth()["power"] == "deallocated"
    await (await compute.virtual_machines.begin_start("lab-rg", "myvm")).result()
    assert vm.truth()["power"] == "running"


async def test_scale_set_instances(lab: Lab, compute: ComputeManagementClient) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="inst", scale_set="myss", instance_id="7"))
    instances = compute.virtual_machine_scale_set_vms
    assert [vm.instance_id async for vm in instances.list("lab-rg", "myss")] == ["7"]
    view = await instances.get_instance_view("lab-rg", "myss", "7")
    assert (view.statuses or [])[1].code == "PowerState/running"
    await (await instances.begin_restart("lab-rg", "myss", "7")).result()
    with pytest.raises(ResourceNotFoundError):
        await instances.get("lab-rg", "nosuch", "7")


async def test_connect_needs_the_content_type_that_the_sdk_omits(
    lab: Lab, vm: LabVm, compute: ComputeManagementClient
) -> None:
    url = f"{vm.id}/providers/Microsoft.SerialConsole/serialPorts/0/connect?api-version=2024-07-01"
    bare = await compute.send_request(HttpRequest("POST", url))
    assert bare.status_code == 415
    right = await compute.send_request(
        HttpRequest("POST", url, headers={"Content-Type": "application/json"})
    )
    assert right.status_code == 200
    assert right.json()["connectionString"].startswith("wss://")


async def test_throttled_calls_are_retried_by_the_sdk(
    vm: LabVm, compute: ComputeManagementClient
) -> None:
    vm.arm = ArmFaults(throttle={"*": 2}, throttle_seconds=0.02)
    started = asyncio.get_running_loop().time()
    await compute.virtual_machines.get("lab-rg", "myvm")
    assert asyncio.get_running_loop().time() - started >= 0.04  # the Retry-After was honoured


async def test_refusals_reach_the_caller(
    lab: Lab, vm: LabVm, compute: ComputeManagementClient
) -> None:
    vm.arm = ArmFaults(deny={"Microsoft.Compute/virtualMachines/read": FORBIDDEN})
    with pytest.raises(HttpResponseError) as caught:
        await compute.virtual_machines.get("lab-rg", "myvm")
    assert caught.value.status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.code == "AuthorizationFailed"
    lab.cloud.tokens.expire()
    with pytest.raises(ClientAuthenticationError, match="ExpiredAuthenticationToken"):
        await compute.virtual_machines.instance_view("lab-rg", "myvm")


async def test_no_identity_no_sign_in(lab: Lab) -> None:
    lab.identity.refuses = True
    async with DefaultAzureCredential() as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")
