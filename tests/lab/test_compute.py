from __future__ import annotations

import asyncio

from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmFaults
from serialfix.lab.vm import LabVm
from tests.lab.arm_client import VM, Client, error, operation_end
from tests.lab.doubles import FakeGuest


async def test_lists_are_paged(arm: Client, lab: Lab) -> None:
    lab.vms.extend(LabVm(guest=FakeGuest(), name=f"vm{n}") for n in range(4))
    lab.vms.append(LabVm(guest=FakeGuest(), name="vm0", resource_group="other"))
    names: list[str] = []
    url = VM.rpartition("/resourceGroups")[0] + "/providers/Microsoft.Compute/virtualMachines"
    while url:
        _, body, _ = await arm("GET", url)
        assert len(body["value"]) <= 2
        names += [entry["id"].split("/")[4] + "/" + entry["name"] for entry in body["value"]]
        url = body.get("nextLink", "")
    assert names == [*(f"LAB-RG/{n}" for n in ("myvm", "vm0", "vm1", "vm2", "vm3")), "OTHER/vm0"]
    _, body, _ = await arm("GET", VM.replace("lab-rg", "other").rpartition("/")[0])
    assert [entry["id"].split("/")[4] for entry in body["value"]] == ["other"]


async def test_restart_is_a_long_running_operation(arm: Client, vm: LabVm) -> None:
    status, body, headers = await arm("POST", VM + "/restart")
    assert (status, body, headers["Content-Length"]) == (202, None, "0")
    url = headers["Azure-AsyncOperation"]
    assert 3_000 < len(url) < 3_500
    assert headers["Location"] == url + "&monitor=true"
    assert headers["Retry-After"] == "0"
    assert vm.provisioning == "Updating"
    _, running, _ = await arm("GET", url)
    assert set(running) == {"startTime", "status", "name"}
    ended = await operation_end(arm, url)
    assert set(ended) == {"startTime", "endTime", "status", "name"}
    assert ended["status"] == "Succeeded"
    assert (await arm("GET", headers["Location"]))[:2] == (200, None)
    assert isinstance(vm.guest, FakeGuest)
    assert vm.guest.restarts == 1
    assert vm.commands == {"restart": 1}
    assert vm.provisioning == "Succeeded"


async def test_power_actions_change_the_power_state(arm: Client, vm: LabVm) -> None:
    for name, during, after in (
        ("deallocate", "deallocating", "deallocated"),
        ("start", "starting", "running"),
        ("powerOff", "stopping", "stopped"),
    ):
        _, _, headers = await arm("POST", f"{VM}/{name}")
        assert vm.power == during
        assert (await operation_end(arm, headers["Azure-AsyncOperation"]))["status"] == "Succeeded"
        assert vm.power == after
    status, body, _ = await arm("POST", VM + "/restart")
    assert (status, error(body)) == (409, "OperationNotAllowed")


async def test_restart_fails_hangs_or_gets_lost(arm: Client, vm: LabVm) -> None:
    assert isinstance(vm.guest, FakeGuest)
    vm.arm = ArmFaults(restart_fails=True)
    _, _, headers = await arm("POST", VM + "/restart")
    ended = await operation_end(arm, headers["Azure-AsyncOperation"])
    assert (ended["status"], error(ended)) == ("Failed", "InternalExecutionError")
    assert vm.guest.restarts == 0

    vm.arm = ArmFaults(restart_hangs=True)
    _, _, headers = await arm("POST", VM + "/restart")
    await asyncio.sleep(0.03)
    assert (await arm("GET", headers["Azure-AsyncOperation"]))[1]["status"] == "InProgress"
    assert (await arm("GET", headers["Location"]))[0] == 202
    assert vm.guest.restarts == 0

    vm.arm = ArmFaults(restart_op_lost=True)
    _, _, headers = await arm("POST", VM + "/restart")
    assert (await arm("GET", headers["Azure-AsyncOperation"]))[0] == 404
    assert vm.guest.restarts == 1


async def test_scale_set_instances(arm: Client, lab: Lab) -> None:
    guest = FakeGuest()
    lab.vms.append(LabVm(guest=guest, name="inst", scale_set="myss", instance_id="7"))
    scale_set = VM.replace("virtualMachines/myvm", "virtualMachineScaleSets/myss")
    instance = scale_set + "/virtualMachines/7"
    assert (await arm("GET", scale_set))[1]["properties"]["orchestrationMode"] == "Uniform"
    group, _, provider = scale_set.rpartition("/")[0].partition("/providers")
    for place in (group, group.partition("/resourceGroups")[0]):
        _, sets, _ = await arm("GET", f"{place}/providers{provider}")
        assert [entry["name"] for entry in sets["value"]] == ["myss"]
    assert [
        entry["instanceId"]
        for entry in (await arm("GET", f"{scale_set}/virtualMachines"))[1]["value"]
    ] == ["7"]
    assert (await arm("GET", instance))[1]["name"] == "myss_7"
    assert "platformFaultDomain" in (await arm("GET", instance + "/instanceView"))[1]
    assert error((await arm("GET", scale_set + "/virtualMachines/8"))[1]) == "InstanceIdNotFound"
    assert (await arm("POST", instance + "/restart"))[0] == 202
    assert guest.restarts == 1
    port = "/providers/Microsoft.SerialConsole/serialPorts/0/connect"
    assert (await arm("POST", instance + port))[0] == 200
    # with the parent's slashes escaped the call does not reach it
    assert (
        await arm("POST", instance.replace("/virtualMachines/", "%2FvirtualMachines%2F") + port)
    )[0] == 404
    # not a plain VM
    names = [entry["name"] for entry in (await arm("GET", VM.rpartition("/")[0]))[1]["value"]]
    assert names == ["myvm"]


async def test_snapshot_of_the_os_disk(arm: Client, lab: Lab, vm: LabVm) -> None:
    _, machine, _ = await arm("GET", VM)
    disk = machine["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"]
    status, body, _ = await arm("GET", disk)
    assert (status, body["managedBy"]) == (200, vm.id)
    path = VM.replace("virtualMachines/myvm", "snapshots/snap-1")
    wanted = {
        "location": "westeurope",
        "tags": {"serialfix-run": "r1"},
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": disk},
            "incremental": True,
        },
    }
    status, body, headers = await arm("PUT", path, body=wanted)
    assert (status, body["properties"]["provisioningState"]) == (202, "Updating")
    assert "/DiskOperations/" in headers["Azure-AsyncOperation"]
    assert (await operation_end(arm, headers["Azure-AsyncOperation"]))["status"] == "Succeeded"
    _, body, _ = await arm("GET", path)
    assert body["properties"]["provisioningState"] == "Succeeded"
    assert body["properties"]["incremental"] is True
    assert body["tags"] == {"serialfix-run": "r1"}

    for where, change, code in (
        (path.replace("lab-rg", "nosuch"), {}, "ResourceGroupNotFound"),
        (path + "-", {}, "InvalidParameter"),
        (path, {"location": "eastus"}, "InvalidParameter"),
        (path, {"properties": {}}, "InvalidParameter"),
        (
            path,
            {"properties": {"creationData": {"createOption": "Copy", "sourceResourceId": "/x"}}},
            "NotFound",
        ),
    ):
        assert error((await arm("PUT", where, body=wanted | change))[1]) == code
    assert error((await arm("PUT", path))[1]) == "InvalidRequestContent"
    assert len(lab.cloud.snapshots) == 1
    assert (await arm("GET", path + "2"))[0] == 404


async def test_run_command_needs_the_agent(arm: Client, vm: LabVm) -> None:
    body = {"commandId": "RunPowerShellScript", "script": ["hostname"]}
    _, _, headers = await arm("POST", VM + "/runCommand", body=body)
    ended = await operation_end(arm, headers["Azure-AsyncOperation"])
    assert [entry["code"] for entry in ended["properties"]["output"]["value"]] == [
        "ComponentStatus/StdOut/succeeded",
        "ComponentStatus/StdErr/succeeded",
    ]
    vm.agent_ready = False
    _, _, headers = await arm("POST", VM + "/runCommand", body=body)
    assert error(await operation_end(arm, headers["Azure-AsyncOperation"])) == (
        "VMAgentStatusCommunicationError"
    )
    assert (await arm("POST", VM + "/runCommand", body={"commandId": "x"}))[0] == 404
