from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from serialfix.lab.server import Lab
from serialfix.lab.switches import (
    FORBIDDEN,
    NO_CONSOLE_PERMISSION,
    SCOPE_LOCKED,
    ArmDelays,
    ArmFaults,
)
from serialfix.lab.vm import LINUX, SUBSCRIPTION, LabVm
from tests.lab.doubles import FakeGuest


GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/lab-rg"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/myvm"
CONNECT = f"{VM}/providers/Microsoft.SerialConsole/serialPorts/0/connect"
CONNECT_ACTION = "Microsoft.SerialConsole/serialPorts/connect/action"
RESTART_ACTION = "Microsoft.Compute/virtualMachines/restart/action"
VERSION = {"api-version": "2024-07-01"}


class Client:
    """Plain HTTP, to see the answers as they are on the wire."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.token = lab.cloud.tokens.mint()
        context = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), max_field_size=16_384
        )

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        version: str | None = "2024-07-01",
    ) -> tuple[int, Any, Any]:
        token = self.token if token is None else token
        sent = {"Content-Type": "application/json"} | (headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("https") else self.lab.cloud.base_url + path
        if version and "api-version" not in url:
            url += ("&" if "?" in url else "?") + f"api-version={version}"
        import yarl

        async with self.session.request(
            method,
            yarl.URL(url, encoded=True),
            json=body,
            headers=sent,
            skip_auto_headers=["Content-Type"],
        ) as answer:
            text = await answer.text()
            return answer.status, (json.loads(text) if text else None), answer.headers


@pytest.fixture
def vm() -> LabVm:
    return LabVm(guest=FakeGuest())


@pytest.fixture
async def lab(vm: LabVm) -> AsyncIterator[Lab]:
    async with Lab([vm], delays=ArmDelays.instant(), page_size=2) as lab:
        yield lab


@pytest.fixture
async def arm(lab: Lab) -> AsyncIterator[Client]:
    client = Client(lab)
    yield client
    await client.session.close()


def error(body: Any) -> str:
    return str(body["error"]["code"])


async def test_sign_in_is_required_and_checked(lab: Lab, arm: Client) -> None:
    status, body, headers = await arm("GET", VM, token="")
    assert (status, error(body)) == (401, "AuthenticationFailed")
    assert headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    assert error((await arm("GET", VM, token="eyJ.e30.x"))[1]) == "InvalidAuthenticationToken"
    other = lab.cloud.tokens.mint("https://graph.microsoft.com")
    assert error((await arm("GET", VM, token=other))[1]) == "InvalidAuthenticationTokenAudience"
    lab.cloud.tokens.expire()
    assert error((await arm("GET", VM))[1]) == "ExpiredAuthenticationToken"


async def test_missing_things_are_404_in_the_words_of_arm(arm: Client) -> None:
    status, body, headers = await arm("GET", VM.replace("myvm", "nosuch"))
    assert (status, error(body)) == (404, "ResourceNotFound")
    assert body["error"]["message"].startswith(
        "The Resource 'Microsoft.Compute/virtualMachines/nosuch' under resource group 'lab-rg' "
        "was not found."
    )
    assert headers["x-ms-failure-cause"] == "gateway"
    instance = VM.replace("virtualMachines/myvm", "virtualMachineScaleSets/ss/virtualMachines/0")
    assert error((await arm("GET", instance))[1]) == "ParentResourceNotFound"
    assert error((await arm("GET", instance[: instance.index("/virtualMachines/")]))[1]) == (
        "ResourceNotFound"
    )
    assert error((await arm("GET", VM.replace(SUBSCRIPTION, "other")))[1]) == "SubscriptionNotFound"
    assert (await arm("GET", "/subscriptions/x/nothing"))[0] == 404
    assert (await arm("DELETE", VM))[0] == 405
    assert error((await arm("GET", VM, version=None))[1]) == "MissingApiVersionParameter"
    assert (await arm("GET", VM, version="2016-03-30"))[0] == 400


async def test_paths_match_in_any_case(arm: Client) -> None:
    status, body, _ = await arm("GET", VM.replace("resourceGroups", "resourcegroups").upper())
    assert (status, body["name"]) == (200, "myvm")


async def test_headers_and_layout(arm: Client) -> None:
    mine = {
        "x-ms-correlation-request-id": "c-1",
        "x-ms-client-request-id": "r-1",
        "x-ms-return-client-request-id": "true",
    }
    _, _, first = await arm("GET", VM, headers=mine)
    assert first["x-ms-correlation-request-id"] == "c-1"
    assert first["x-ms-client-request-id"] == "r-1"
    assert first["ETag"] == '"2"'
    assert first["x-ms-ratelimit-remaining-resource"] == (
        "Microsoft.Compute/LowCostGetSubscriptionMaximum;23999,Microsoft.Compute/LowCostGetResource;35"
    )
    async with arm.session.get(
        arm.lab.cloud.base_url + VM,
        params=VERSION,
        headers={"Authorization": f"Bearer {arm.token}"},
    ) as answer:
        assert (await answer.text()).startswith('{\n  "name": "myvm",')  # Compute prints prettily


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


async def operation_end(arm: Client, url: str) -> dict[str, Any]:
    for _ in range(200):
        _, body, headers = await arm("GET", url)
        if body["status"] != "InProgress":
            return dict(body)
        assert "Retry-After" in headers
        await asyncio.sleep(0.005)
    raise AssertionError(body)


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


async def test_connect_hands_out_the_address_of_a_session(arm: Client, vm: LabVm) -> None:
    path = CONNECT.replace("resourceGroups", "resourcegroups")
    status, body, _ = await arm("POST", path)
    assert (status, list(body)) == (200, ["connectionString"])
    assert body["connectionString"].startswith("wss://localhost:")
    assert body["connectionString"].endswith("/client")
    again = (await arm("POST", path, version="2018-05-01"))[1]
    assert again != body
    assert vm.connects == 2


async def test_connect_wants_a_content_type(arm: Client, vm: LabVm) -> None:
    async with arm.session.post(
        arm.lab.cloud.base_url + CONNECT,
        params=VERSION,
        headers={"Authorization": f"Bearer {arm.token}"},
        skip_auto_headers=["Content-Type"],
    ) as answer:
        assert answer.status == 415
    assert vm.connects == 0


async def test_connect_refuses_what_the_facts_list(arm: Client, vm: LabVm) -> None:
    vm.power = "stopped"
    assert error((await arm("POST", CONNECT))[1]) == "VirtualMachineNotRunning"
    vm.power = "running"
    vm.arm = ArmFaults(connect_rejects=2)
    answers = [await arm("POST", CONNECT) for _ in range(3)]
    assert [status for status, *_ in answers] == [400, 400, 200]
    assert "has not yet succeeded" in answers[0][1]["error"]["message"]
    vm.arm = ArmFaults(gateway_down=True)
    assert (await arm("POST", CONNECT))[1]["connectionString"].startswith("wss://localhost:1/")
    assert (await arm("POST", CONNECT.replace("Ports/0", "Ports/1")))[0] == 404


async def test_console_service_switch(arm: Client) -> None:
    service = (
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.SerialConsole/consoleServices/default"
    )
    assert (await arm("GET", service))[1] == {"properties": {"disabled": False}}
    assert (await arm("POST", service + "/disableConsole"))[1] == {"properties": {"disabled": True}}
    status, body, _ = await arm("POST", CONNECT)
    assert status == 403
    assert "not enabled for this subscription" in body["error"]["message"]
    await arm("POST", service + "/enableConsole")
    assert (await arm("POST", CONNECT))[0] == 200


async def test_serial_ports(arm: Client, vm: LabVm) -> None:
    ports = CONNECT.rpartition("/0/")[0]
    _, body, _ = await arm("GET", ports)
    assert body["value"][0]["name"] == "0"
    assert body["value"][0]["properties"] == {"state": "enabled", "connectionState": "inactive"}
    await arm("PUT", ports + "/0", body={"properties": {"state": "disabled"}})
    assert (await arm("GET", ports + "/0"))[1]["properties"]["state"] == "disabled"
    assert (await arm("POST", CONNECT))[0] == 400


async def test_scale_set_instances(arm: Client, lab: Lab) -> None:
    guest = FakeGuest()
    lab.vms.append(LabVm(guest=guest, name="inst", scale_set="myss", instance_id="7"))
    scale_set = VM.replace("virtualMachines/myvm", "virtualMachineScaleSets/myss")
    instance = scale_set + "/virtualMachines/7"
    assert (await arm("GET", scale_set))[1]["properties"]["orchestrationMode"] == "Uniform"
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


async def test_resource_graph(arm: Client, lab: Lab) -> None:
    lab.vms.append(LabVm(guest=FakeGuest(), name="linux1", image=LINUX, power="deallocated"))
    lab.vms.append(LabVm(guest=FakeGuest(), name="avm", resource_group="Other"))
    query = (
        "resources | where type =~ 'microsoft.compute/virtualmachines' "
        "| where properties.storageProfile.osDisk.osType =~ 'windows' | project id, name, "
        "resourceGroup, power=tostring(properties.extended.instanceView.powerState.code), "
        "bootdiag=tobool(properties.diagnosticsProfile.bootDiagnostics.enabled) | order by id asc"
    )
    rows: list[Any] = []
    options: dict[str, Any] = {"$top": 1, "resultFormat": "objectArray"}
    while True:
        status, body, headers = await arm(
            "POST",
            "/providers/Microsoft.ResourceGraph/resources",
            body={"query": query, "options": options},
            version="2021-03-01",
        )
        assert status == 200
        assert "x-ms-user-quota-remaining" in headers
        rows += body["data"]
        if "$skipToken" not in body:
            break
        options["$skipToken"] = body["$skipToken"]
    assert [(row["name"], row["resourceGroup"]) for row in rows] == [
        ("avm", "other"),  # `order by` is by code point, and the id says "Other"
        ("myvm", "lab-rg"),
    ]
    assert set(rows[0]) == {"id", "name", "resourceGroup", "power", "bootdiag"}
    assert (rows[0]["power"], rows[0]["bootdiag"]) == ("PowerState/running", True)
    assert body["totalRecords"] == 2


async def test_subscriptions_and_groups(arm: Client) -> None:
    _, body, _ = await arm("GET", "/subscriptions")
    assert [entry["subscriptionId"] for entry in body["value"]] == [SUBSCRIPTION]
    groups = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
    assert [entry["name"] for entry in (await arm("GET", groups))[1]["value"]] == ["lab-rg"]
    assert (await arm("GET", groups + "/LAB-RG"))[0] == 200
    assert error((await arm("GET", groups + "/x"))[1]) == "ResourceGroupNotFound"
    assert (await arm("GET", "/metadata/endpoints", token=""))[1]["resourceManager"] == (
        arm.lab.cloud.base_url
    )


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (FORBIDDEN, 403, f"perform action '{RESTART_ACTION}' over scope '{VM}'"),
        (SCOPE_LOCKED, 409, f"The scope '{VM}' cannot perform write operation"),
    ],
)
async def test_denied_actions(arm: Client, vm: LabVm, refusal: Any, status: int, text: str) -> None:
    vm.arm = ArmFaults(deny={RESTART_ACTION.upper(): refusal})
    got, body, _ = await arm("POST", VM + "/restart")
    assert (got, error(body)) == (status, refusal.code)
    assert text in body["error"]["message"]
    assert vm.commands == {}
    assert (await arm("GET", VM))[0] == 200


async def test_global_switches_hold_for_every_vm_and_may_be_flat(arm: Client, lab: Lab) -> None:
    lab.cloud.faults = ArmFaults(deny={"*": replace(NO_CONSOLE_PERMISSION, flat=True)})
    status, body, _ = await arm("POST", CONNECT)
    assert (status, body["code"]) == (403, "Forbidden")


async def test_throttling_ends_after_n_calls(arm: Client, vm: LabVm) -> None:
    vm.arm = ArmFaults(throttle={CONNECT_ACTION: 2})
    answers = [await arm("POST", CONNECT) for _ in range(3)]
    assert [status for status, *_ in answers] == [429, 429, 200]
    assert answers[0][2]["Retry-After"] == "1"
    assert error(answers[0][1]) == "SubscriptionRequestsThrottled"
    vm.arm = ArmFaults(throttle={"*": 1})
    assert [(await arm("GET", VM))[0] for _ in range(2)] == [429, 200]


async def test_the_limits_of_compute_can_be_enforced(arm: Client, vm: LabVm) -> None:
    vm.arm = ArmFaults(enforce_limits=True)
    statuses = [(await arm("POST", VM + "/restart"))[0] for _ in range(13)]
    assert statuses == [202] * 12 + [429]
