from __future__ import annotations

from serialfix.lab.switches import ArmFaults
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from tests.lab.arm_client import CONNECT, VERSION, Client, error


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
