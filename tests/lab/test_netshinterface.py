from __future__ import annotations

import pytest

from serialfix.lab.adapters import INTERFACES, adapters
from serialfix.lab.profiles import dword
from serialfix.model import RegistryType, RegistryValue
from tests.lab.terminal import Prompt, virtual


STATIC = (
    'netsh interface ip set address name="Ethernet" source=static address=10.0.0.9 '
    "mask=255.255.255.0 gateway=10.0.0.1"
)


@virtual
async def test_an_address_is_set_and_given_back() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    nic = next(adapters(cmd.machine.registry))
    key = f"{INTERFACES}\\{nic.guid}"
    code, text = await cmd.run('netsh interface ip set address name="Ethernet" source=dhcp')
    assert (code, text) == (1, "DHCP is already enabled on this interface.\r\n\r\n")
    assert (await cmd.run(STATIC))[0] == 0
    registry = cmd.machine.registry
    assert registry.get(key, "EnableDHCP") == dword(0)
    assert registry.get(key, "IPAddress") == RegistryValue(RegistryType.MULTI_SZ, ("10.0.0.9",))
    assert registry.get(key, "DhcpIPAddress") is None
    assert nic.address == ("10.0.0.9", "255.255.255.0", "10.0.0.1")
    set_dns = 'netsh interface ip set dns name="Ethernet"'
    assert (await cmd.run(f"{set_dns} source=static address=10.0.0.8"))[0] == 0
    assert (await cmd.run('netsh interface ip add dns name="Ethernet" 10.0.0.7 index=2'))[0] == 0
    assert registry.get(key, "NameServer") == RegistryValue(RegistryType.SZ, "10.0.0.8,10.0.0.7")
    assert (await cmd.run('netsh int ip set addr "Ethernet" dhcp'))[0] == 0
    assert nic.static_dns  # they stay (catalogue §4.12 W1)
    assert (await cmd.run(f"{set_dns} source=dhcp"))[0] == 0
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_a_disabled_adapter_is_in_one_list_only() -> None:
    cmd = Prompt(disk={"nics": ("Ethernet", "Ethernet 2")})
    before = cmd.machine.disk.snapshot()
    off = 'netsh interface set interface name="Ethernet 2" admin={}'
    assert await cmd.run(off.format("disabled")) == (0, "\r\n")
    assert "Disabled       Disconnected   Dedicated        Ethernet 2" in await cmd.out(
        "netsh interface show interface"
    )
    assert "Ethernet 2" not in await cmd.out("netsh interface ipv4 show interfaces")
    assert "Ethernet 2" not in await cmd.out("netsh interface ip show config")
    assert (await cmd.run('netsh interface ip set address "Ethernet 2" dhcp'))[0] == 1
    await cmd.run(off.format("enabled"))
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_the_configuration_is_long_and_localised() -> None:
    text = await Prompt().out("netsh interface ip show config")
    assert "    DHCP enabled:                         Yes\r\n" in text
    assert "    IP Address:                           10.0.0.4\r\n" in text
    assert len(text.splitlines()) > 16
    assert "DHCP aktiviert:                       Ja" in await Prompt(language="de").out(
        "netsh interface ip show config"
    )
    assert 'インターフェイス "イーサネット" の構成' in await Prompt(language="ja").out(
        "netsh interface ip show config"
    )


@pytest.mark.parametrize(
    "line",
    [
        'netsh interface ip set address name="Ethernet 9" source=dhcp',
        'netsh interface set interface name="Ethernet 9" admin=enabled',
        'netsh interface set interface name="Ethernet" admin=perhaps',
        'netsh int ip set address name="Ethernet" source=static address=10.0.0.300 mask=1.1.1.1',
        'netsh interface ip set address name="Ethernet" source=static address=10.0.0.9',
        'netsh interface ip set dns name="Ethernet" source=static address=here',
        "netsh interface dance",
    ],
)
@virtual
async def test_a_wrong_line_is_1_and_changes_nothing(line: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    code, text = await cmd.run(line)
    assert (code, bool(text.strip())) == (1, True)
    assert cmd.machine.disk.snapshot() == before
