"""Network adapters."""

from __future__ import annotations

from typing import Any

import pytest

from serialfix.errors import CommandFailed, UnsafeStep
from serialfix.lab.profiles import dword
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.steps.network import NetworkStep
from serialfix.playbook.steps.wish import State
from tests.playbook.steps.asked import read


ROOT = (
    r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Network"
    r"\{4D36E972-E325-11CE-BFC1-08002BE10318}"
)
NAMES = rf"""
{ROOT}\{{AAAAAAAA-0000-0000-0000-000000000001}}\Connection
    Name    REG_SZ    Ethernet

{ROOT}\{{AAAAAAAA-0000-0000-0000-000000000002}}\Connection
    Name    REG_SZ    Ethernet 2
"""
SHOWN = """
Administratorstatus   Status         Typ              Schnittstellenname
-------------------------------------------------------------------------
Deaktiviert    Getrennt       Dediziert        Ethernet
"""
ACTIVE = """
Idx     Met         MTU          State                Name
---  ----------  ----------  ------------  ---------------------------
  1          75  4294967295  connected     Loopback Pseudo-Interface 1
"""


def texts(*items: str) -> RegistryValue:
    return RegistryValue(RegistryType.MULTI_SZ, items)


FIXED = {
    "EnableDHCP": dword(0),
    "IPAddress": texts("10.0.0.9"),
    "SubnetMask": texts("255.255.255.0"),
    "DefaultGateway": texts("10.0.0.1"),
    "NameServer": RegistryValue(RegistryType.SZ, "8.8.8.8,8.8.4.4"),
}


def state_of(wish: NetworkStep, values: Any = None, shown: str = SHOWN) -> State:
    answers = {"/v Name": (NAMES, 0), "ipv4": (ACTIVE, 0), "show interface": (shown, 0)}
    return read(wish, values, answers)[0]


def test_an_adapter_that_ip_does_not_use_is_disabled() -> None:
    wish = NetworkStep(enabled=True)
    state = state_of(wish)
    assert state == {"interface": "Ethernet", "enabled": False}
    assert wish.line(state) == "netsh interface set interface name=Ethernet admin=enabled"
    (back,) = wish.restoring(state)
    assert back == NetworkStep(interface="Ethernet", enabled=False)


def test_the_addresses_of_an_adapter_that_is_gone_are_not_taken_for_its() -> None:
    """Hidden ones keep their names, which others may have been given since."""
    names = NAMES.replace("Ethernet 2", "Ethernet")
    answers = {"/v Name": (names, 0), "ipv4": (ACTIVE, 0), "show interface": (SHOWN, 0)}
    with pytest.raises(CommandFailed, match="2 adapters of the name Ethernet"):
        read(NetworkStep(dhcp=True), FIXED, answers)
    assert read(NetworkStep(enabled=True), FIXED, answers)[0] == {
        "interface": "Ethernet",
        "enabled": False,
    }


@pytest.mark.parametrize(
    ("wish", "shown", "message"),
    [
        (NetworkStep(enabled=True), SHOWN + "x  y  z  Ethernet 2\n", "has several"),
        (NetworkStep(interface="LAN", enabled=True), SHOWN, "it has: Ethernet"),
        (NetworkStep(interface="Ethernet 2", enabled=True), SHOWN, "it has: Ethernet"),
        (NetworkStep(enabled=True), "", "it has: none"),
    ],
)
def test_an_adapter_that_is_not_clear_is_told(wish: NetworkStep, shown: str, message: str) -> None:
    with pytest.raises(CommandFailed, match=message):
        state_of(wish, shown=shown)


def test_a_fixed_address_gives_way_to_dhcp_and_comes_back() -> None:
    wish = NetworkStep(interface="ethernet", dhcp=True)
    state = state_of(wish, FIXED)
    assert wish.distance(state) == 2
    assert wish.line(state) == "netsh interface ip set address name=Ethernet source=dhcp"
    half = {"interface": "Ethernet", "dhcp": True, "dns": ["8.8.8.8", "8.8.4.4"]}
    assert wish.line(half) == "netsh interface ip set dns name=Ethernet source=dhcp"
    done = {"interface": "Ethernet", "dhcp": True, "dns": []}
    assert wish.distance(done) == 0
    (back,) = wish.restoring(state)
    assert back.distance(done) == 6
    assert back.line(done).endswith(
        "source=static address=10.0.0.9 mask=255.255.255.0 gateway=10.0.0.1"
    )
    assert isinstance(state, dict)
    assert back.line({**state, "dns": []}).endswith("source=static address=8.8.8.8")
    assert back.line({**state, "dns": ["8.8.8.8"]}).endswith("address=8.8.4.4 index=2")
    assert back.distance(state) == 0


def test_fixed_dns_beside_dhcp_comes_back() -> None:
    wish = NetworkStep(dhcp=True)
    (back,) = wish.restoring({"interface": "Ethernet", "dhcp": True, "dns": ["8.8.8.8"]})
    done = {"interface": "Ethernet", "dhcp": True, "dns": []}
    assert back.line(done).endswith("set dns name=Ethernet source=static address=8.8.8.8")


def test_several_addresses_are_not_taken_away() -> None:
    several = {**FIXED, "IPAddress": texts("10.0.0.9", "10.0.0.10")}
    wish = NetworkStep(dhcp=True)
    with pytest.raises(UnsafeStep, match="could not be put back"):
        wish.restoring(state_of(wish, several))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"enabled": True, "dhcp": True},
        {"dhcp": False},
        {"dhcp": True, "address": "10.0.0.1"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Value error"):
        NetworkStep.model_validate(wrong)
