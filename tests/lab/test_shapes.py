from __future__ import annotations

from typing import Any

import pytest

from serialfix.lab.vm import LINUX, LabVm
from tests.lab.arm_client import CONNECT, VM, Client, error


@pytest.mark.parametrize(
    ("setting", "enabled", "view"),
    [
        ("none", None, None),
        ("managed", True, {}),
        ("disabled", False, None),
        ("custom", True, "blob"),
    ],
)
async def test_boot_diagnostics(
    arm: Client, vm: LabVm, setting: Any, enabled: bool | None, view: Any
) -> None:
    vm.boot_diagnostics = setting
    _, body, _ = await arm("GET", VM + "?$expand=instanceView")
    profile = body["properties"].get("diagnosticsProfile")
    assert (profile["bootDiagnostics"]["enabled"] if profile else None) == enabled
    shown = body["properties"]["instanceView"].get("bootDiagnostics")
    if view == "blob":
        assert set(shown) == {"consoleScreenshotBlobUri", "serialConsoleLogBlobUri"}
        assert profile["bootDiagnostics"]["storageUri"].startswith("https://")
    else:
        assert shown == view
    if enabled is not True:
        status, body, _ = await arm("POST", CONNECT)
        assert (status, error(body)) == (400, "BootDiagnosticsDisabled")


async def test_instance_view_by_state(arm: Client, vm: LabVm) -> None:
    async def view() -> dict[str, Any]:
        return dict((await arm("GET", VM + "/instanceView"))[1])

    running = await view()
    assert {"computerName", "osName", "osVersion", "vmAgent", "disks"} <= set(running)
    assert running["osName"].startswith("Windows Server")
    assert running["vmAgent"]["statuses"][0]["displayStatus"] == "Ready"
    assert running["statuses"][1] == {
        "code": "PowerState/running",
        "level": "Info",
        "displayStatus": "VM running",
    }
    vm.power = "stopped"
    assert (await view())["statuses"][1]["displayStatus"] == "VM stopped"
    vm.power = "deallocated"
    gone = await view()
    assert not {"computerName", "osName", "osVersion", "vmAgent"} & set(gone)
    vm.power, vm.agent_ready = "running", False
    agent = (await view())["vmAgent"]
    assert agent["vmAgentVersion"] == "Unknown"
    assert agent["statuses"][0]["code"] == "ProvisioningState/Unavailable"
    assert agent["statuses"][0]["displayStatus"] == "Not Ready"


async def test_a_vm_without_expand_has_no_view_and_linux_is_linux(arm: Client, vm: LabVm) -> None:
    _, body, _ = await arm("GET", VM)
    assert "instanceView" not in body["properties"]
    assert body["properties"]["storageProfile"]["imageReference"]["offer"] == "WindowsServer"
    assert body["properties"]["storageProfile"]["osDisk"]["osType"] == "Windows"
    vm.image = LINUX
    _, body, _ = await arm("GET", VM)
    assert body["properties"]["storageProfile"]["osDisk"]["osType"] == "Linux"
