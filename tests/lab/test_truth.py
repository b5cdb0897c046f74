from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from serialfix.lab.build import make_vm
from serialfix.lab.faults import ServiceFault
from serialfix.lab.guest import Guest
from serialfix.lab.server import Lab
from serialfix.lab.switches import Refusal
from serialfix.lab.vm import LabVm
from tests.lab.doubles import FakeGuest


@dataclass(frozen=True)
class Line:
    where: str
    line: str


class RicherGuest(FakeGuest):
    """With what the real guest remembers."""

    @dataclass(frozen=True)
    class Faults:
        login_refused: bool = False

    class Registry:
        def dump(self) -> dict[str, object]:
            return {"HKLM": {"x": b"1"}}

    def __init__(self) -> None:
        super().__init__()
        self.faults = self.Faults()
        self.registry = self.Registry()
        self.entered = [Line("SAC", "cmd")]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab([LabVm(guest=RicherGuest()), LabVm(guest=RicherGuest(), name="vm2")]) as lab:
        yield lab


async def call(lab: Lab, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, lab.truth_url + path, json=body) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else await answer.text()


async def test_the_truth_is_json(lab: Lab) -> None:
    status, body = await call(lab, "GET", "")
    assert (status, [vm["name"] for vm in body]) == (200, ["myvm", "vm2"])
    _, vm = await call(lab, "GET", "/MYVM")
    assert vm["entered"] == [{"where": "SAC", "line": "cmd"}]
    assert vm["registry"] == {"HKLM": {"x": "b'1'"}}
    assert {"restarts", "boots", "sessions", "connects", "commands"} <= set(vm)
    assert (await call(lab, "GET", "/nosuch"))[0] == 404


async def test_the_https_port_tells_it_too(lab: Lab) -> None:
    context = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
    async with (
        aiohttp.ClientSession() as http,
        http.get(lab.cloud.base_url + "/lab/vms/vm2", ssl=context) as answer,
    ):
        assert (await answer.json())["name"] == "vm2"


async def test_switches_can_be_turned(lab: Lab) -> None:
    vm = lab.vm("myvm")
    settings = {
        "power": "stopped",
        "agent_ready": False,
        "arm": {
            "restart_fails": True,
            "deny": {"a/b": {"status": 403, "code": "c", "message": "m"}},
        },
        "gateway": {"drop_after_bytes": 9},
        "guest": {"login_refused": True},
        "take_over": True,
        "restart": True,
    }
    status, body = await call(lab, "POST", "/myvm", settings)
    assert (status, body["power"]) == (200, "stopped")
    assert not vm.agent_ready
    assert vm.arm.restart_fails
    assert vm.arm.deny == {"a/b": Refusal(403, "c", "m")}
    assert vm.gateway.drop_after_bytes == 9
    assert isinstance(vm.guest, RicherGuest)
    assert (vm.guest.restarts, vm.commands["restart"]) == (1, 0)  # Azure was not asked
    assert vm.guest.faults.login_refused
    await call(lab, "POST", "/myvm", {"arm": {"slow": 0.5}})
    assert (vm.arm.restart_fails, vm.arm.slow) == (True, 0.5)
    assert lab.vm("vm2").arm.restart_fails is False


@pytest.mark.parametrize(
    "settings",
    [
        {"nonsense": 1},
        {"arm": {"nonsense": 1}},
        {"guest": {"x": 1}},
        {"arm": 3},
        [],
        {"power": "x"},
    ],
)
async def test_unknown_switches_are_refused(lab: Lab, settings: Any) -> None:
    status, text = await call(lab, "POST", "/myvm", settings)
    assert status == 400
    assert text


async def test_services_are_made_to_fail_and_the_picture_is_told() -> None:
    vm = make_vm(broken="nic-off")
    async with Lab([vm]) as lab:
        fault = {"start_code": 1053, "until": {"Type": 16}}
        status, body = await call(lab, "POST", "/myvm", {"guest": {"services": {"Dhcp": fault}}})
        assert isinstance(vm.guest, Guest)
        assert status == 200
        assert vm.guest.faults.services["Dhcp"] == ServiceFault(start_code=1053, until={"Type": 16})
        assert body["snapshot"] == vm.guest.snapshot()


async def test_a_region_goes_down_and_up_again(lab: Lab) -> None:
    assert await call(lab, "POST", "/../regions/WestEurope", {"down": True}) == (
        200,
        {"down": ["westeurope"]},
    )
    assert "westeurope" in lab.cloud.outages
    assert (await call(lab, "POST", "/../regions/WestEurope", {"up": True}))[0] == 400
    assert await call(lab, "POST", "/../regions/westeurope", {"down": False}) == (200, {"down": []})
    assert lab.cloud.outages == {}
