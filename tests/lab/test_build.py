from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from serialfix.lab.build import make_lab, make_vm
from serialfix.lab.faults import Delays
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import PROFILES
from serialfix.lab.server import Lab
from serialfix.lab.switches import ArmDelays, GatewayFaults
from serialfix.lab.wineprefix import missing
from tests.lab.arm_client import CONNECT, VM, Client, operation_end


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_azure_and_the_guest_agree_on_the_system(profile: str) -> None:
    vm = make_vm(profile=profile)
    assert vm.image.os_name == PROFILES[profile].product
    assert vm.image.sku.startswith(profile.removeprefix("ws"))
    assert vm.image.os_type == "Windows"


def test_vms_are_named_and_broken_as_the_demo_says() -> None:
    lab = make_lab(3, delays=Delays.instant(), tags={"a": "b"})
    assert [vm.name for vm in lab.vms] == ["myvm", "myvm2", "myvm3"]
    assert {vm.resource_group for vm in lab.vms} == {"lab-rg"}
    assert lab.vms[2].tags == {"a": "b"}
    broken, sound = (make_vm(misconfigured=m).truth()["registry"] for m in (True, False))
    assert broken != sound
    assert [make_vm(system=s).image.os_name for s in ("client", "linux")] == [
        "Windows 11 Pro",
        "ubuntu",
    ]


def test_the_program_of_the_guests_is_chosen() -> None:
    if reason := missing():
        pytest.skip(f"{reason}: not shown is that a lab's guests may run Wine")
    vm = make_lab(program="wine", profile="ws2019").vms[0]
    registry = vm.truth()["registry"]
    assert registry == make_lab(profile="ws2019").vms[0].truth()["registry"]


async def read(socket: ClientConnection, wanted: bytes) -> bytes:
    got = b""
    async with asyncio.timeout(10):
        while wanted not in got:
            frame = await socket.recv()
            got += frame.encode() if isinstance(frame, str) else frame
    return got


async def attach(lab: Lab, arm: Client) -> ClientConnection:
    _, body, _ = await arm("POST", CONNECT)
    tls = ssl.create_default_context(cafile=lab.env["SSL_CERT_FILE"])
    socket = await connect(body["connectionString"], ssl=tls, proxy=None)
    await socket.recv()
    await socket.send(arm.token)
    return socket


@pytest.mark.parametrize("frames", ["text", "mixed"])
async def test_a_real_guest_behind_the_gateway(frames: Any) -> None:
    """From the connect call to a channel, through a restart by ARM, and the truth about it."""
    lab = make_lab(delays=Delays.instant(), azure_delays=ArmDelays.instant())
    vm = lab.vm("myvm")
    vm.gateway = GatewayFaults(frames=frames, split=True, backlog=4096)
    async with lab:
        arm = Client(lab)
        socket = await attach(lab, arm)
        await read(socket, b"EVENT: The CMD command is now available.")
        await socket.send("cmd\r")
        await read(socket, b"Channel: Cmd0001")
        _, _, headers = await arm("POST", VM + "/restart")
        await read(socket, b"The SAC will become unavailable soon.")
        assert (await operation_end(arm, headers["Azure-AsyncOperation"]))["status"] == "Succeeded"
        await read(socket, b"EVENT: The CMD command is now available.")
        await socket.close()
        async with arm.session.get(f"{lab.truth_url}/myvm") as answer:
            truth = json.loads(await answer.text())
        await arm.session.close()
    assert (truth["restarts"], truth["boots"], truth["sessions"]) == (1, 2, 1)
    assert [(line["where"], line["line"]) for line in truth["entered"]] == [("SAC", "cmd")]
    assert "RDP-Tcp" in json.dumps(truth["registry"])


async def test_a_guest_that_shuts_itself_down_is_stopped_and_can_be_started() -> None:
    lab = make_lab(delays=Delays.instant(), azure_delays=ArmDelays.instant())
    guest: Any = lab.vm("myvm").guest
    assert isinstance(guest, Guest)
    async with lab:
        arm = Client(lab)
        guest.shutdown()
        async with asyncio.timeout(5):
            while guest.running:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        _, view, _ = await arm("GET", VM + "/instanceView")
        assert view["statuses"][1]["code"] == "PowerState/stopped"
        assert (await arm("POST", VM + "/restart"))[0] == 409
        await arm("POST", VM + "/start")
        assert guest.running
        assert guest.boots == 2
        await arm.session.close()
