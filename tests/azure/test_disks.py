from __future__ import annotations

import pytest

from serialfix.azure.disks import snapshot_os_disk
from serialfix.azure.identity import Azure
from serialfix.azure.vm import VmFacts
from serialfix.errors import AccessError, AzureRefused
from serialfix.model import VmRef
from tests.azure.arm_double import SUB, Answer, Arm, error


RUN = "20250102-030405-abcd"
# the disk need not lie in the VM's group
DISK = f"/subscriptions/{SUB}/resourceGroups/DISKS/providers/Microsoft.Compute/disks/myvm_os"
SNAPSHOT = (
    f"/subscriptions/{SUB}/resourceGroups/DISKS/providers/Microsoft.Compute/snapshots"
    f"/myvm-serialfix-{RUN}"
)


def facts(disk: str = DISK, ref: VmRef | None = None) -> VmFacts:
    return VmFacts(
        ref=ref or VmRef(SUB, "rg1", "myvm"),
        vm_id="",
        location="westeurope",
        os_name="",
        os_version="",
        power_state="running",
        agent="unknown",
        boot_diagnostics=True,
        os_disk_id=disk,
        provisioning_state="Succeeded",
    )


def body(state: str) -> dict[str, object]:
    return {"id": SNAPSHOT, "location": "westeurope", "properties": {"provisioningState": state}}


def takes(arm: Arm, *statuses: Answer) -> None:
    operation = "/subscriptions/s/operations/o"
    headers = {"Azure-AsyncOperation": f"{arm.base}{operation}"}
    arm.on("PUT", SNAPSHOT, (202, body("Updating"), headers))
    arm.on("GET", operation, *statuses)
    arm.on("GET", SNAPSHOT, (200, body("Succeeded")))


async def test_an_incremental_snapshot_beside_the_disk(azure: Azure, arm: Arm) -> None:
    takes(arm, (200, {"status": "InProgress"}), (200, {"status": "Succeeded"}))
    assert await snapshot_os_disk(azure, facts(), RUN) == SNAPSHOT
    assert arm.bodies[0] == {
        "location": "westeurope",
        "sku": {"name": "Standard_LRS"},
        "tags": {"serialfix-run": RUN, "serialfix-vm": "myvm"},
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": DISK},
            "incremental": True,
        },
    }
    assert len(arm.calls("GET", "/operations/o")) == 2


async def test_a_name_that_azure_takes(azure: Azure, arm: Arm) -> None:
    arm.on("PUT", "/none", (200, {}))
    ref = VmRef(SUB, "rg1", "a" * 90, "12")
    with pytest.raises(Exception, match="404"):
        await snapshot_os_disk(azure, facts(ref=ref), RUN)
    name = arm.seen[0].path.rsplit("/", 1)[-1]
    assert len(name) == 80
    assert name.endswith(f"-serialfix-{RUN}")
    assert "/" not in name


async def test_no_managed_disk(azure: Azure, arm: Arm) -> None:
    with pytest.raises(AzureRefused, match="no managed OS disk") as caught:
        await snapshot_os_disk(azure, facts(disk=""), RUN)
    assert "--snapshot" in caught.value.remedy
    assert arm.seen == []


async def test_denied(azure: Azure, arm: Arm) -> None:
    arm.on("PUT", SNAPSHOT, error(403, "AuthorizationFailed"))
    with pytest.raises(AccessError, match="403 AuthorizationFailed") as caught:
        await snapshot_os_disk(azure, facts(), RUN)
    assert "Microsoft.Compute/snapshots/write" in caught.value.remedy


async def test_failed(azure: Azure, arm: Arm) -> None:
    failure = {"status": "Failed", "error": {"code": "DiskBusy", "message": "Busy."}}
    takes(arm, (200, failure))
    with pytest.raises(AzureRefused, match=r"DiskBusy.*Busy\."):
        await snapshot_os_disk(azure, facts(), RUN)


async def test_hangs(azure: Azure, arm: Arm) -> None:
    takes(arm, (200, {"status": "InProgress"}))
    with pytest.raises(AzureRefused, match=r"not ended after 0\.02 s") as caught:
        await snapshot_os_disk(azure, facts(), RUN, timeout=0.02)
    assert "serialfix-run" in caught.value.remedy
