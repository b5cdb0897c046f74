from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.broken import BROKEN, LOCKED_ACCOUNT, OTHER_SERVICE
from serialfix.lab.build import make_vm
from serialfix.lab.guest import Guest
from serialfix.lab.profiles import SERVICES, dword
from tests.lab.terminal import virtual


# Healthy machines have it that way; the playbook changes it all the same.
AS_WINDOWS_HAS_IT = {"nla-required", "capi2-log-off"}
BY_A_FAULT = {
    "termservice-stopped",
    "termservice-hung",
    "termservice-crashes",
    "termservice-slow",
}


def guest_of(way: str | None, **settings: object) -> Guest:
    vm = make_vm(misconfigured=False, broken=way or (), **settings)  # type: ignore[arg-type]
    assert isinstance(vm.guest, Guest)
    return vm.guest


async def booted(way: str) -> Guest:
    guest = guest_of(way)
    guest.power_on()
    await asyncio.sleep(60)
    return guest


@pytest.mark.parametrize("way", BROKEN)
def test_each_way_changes_the_machine(way: str) -> None:
    healthy, broken = guest_of(None), guest_of(way)
    same = healthy.disk.snapshot() == broken.disk.snapshot()
    assert same == (way in AS_WINDOWS_HAS_IT | BY_A_FAULT)
    assert (healthy.faults != broken.faults) == (way in BY_A_FAULT | {"termservice-denied"})


@pytest.mark.parametrize(
    "way",
    [
        *("termservice-disabled", "termservice-stopped", "termservice-hung", "termservice-crashes"),
        *("termservice-wrong-account", "termservice-lost-account", "termservice-denied"),
        *("safe-mode", "safe-mode-network", "dsrm"),
    ],
)
@virtual
async def test_remote_desktop_does_not_run(way: str) -> None:
    guest = await booted(way)
    running = guest.snapshot()["running"]
    assert isinstance(running, list)
    assert "termservice" not in running
    assert "sacsvr" in running  # the console does


@virtual
async def test_a_port_that_is_taken_is_not_remote_desktops() -> None:
    guest = await booted("port-taken")
    assert guest._machine is not None
    assert guest._machine.scm.ports[3389] == OTHER_SERVICE.lower()
    assert "termservice" in guest._machine.running


@virtual
async def test_without_the_network_store_interface_nothing_has_a_network() -> None:
    running = (await booted("nsi-disabled")).snapshot()["running"]
    assert isinstance(running, list)
    assert not {"nsi", "dhcp", "dnscache"} & set(running)


def test_ways_can_be_put_together_and_must_be_known() -> None:
    vm = make_vm(broken=["termservice-disabled", "admin-disabled"])
    assert isinstance(vm.guest, Guest)
    account = vm.guest.disk.accounts.user(LOCKED_ACCOUNT)
    assert account is not None
    assert not account.active
    start = vm.guest.registry.get(f"{SERVICES}\\TermService", "Start")
    assert start == dword(4)
    with pytest.raises(Exception, match="cannot break a guest in the way 'sulking'"):
        make_vm(broken="sulking")
