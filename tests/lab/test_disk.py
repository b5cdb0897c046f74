from __future__ import annotations

import json

import pytest

from serialfix.lab.disk import LICENCE_VALUES, RCM
from tests.lab.terminal import Prompt, virtual


@pytest.mark.parametrize(
    "line",
    [
        r"reg add HKLM\SOFTWARE\Lab /v x /d 1 /f",
        r"reg add HKLM\SOFTWARE\Empty /f",
        "bcdedit /set {current} safeboot minimal",
        "net user azureadmin /active:no",
        "net localgroup Administrators azureadmin /delete",
        "netsh advfirewall set publicprofile state off",
        'netsh advfirewall firewall set rule group="remote desktop" new enable=no',
        'netsh interface set interface name="Ethernet" admin=disabled',
        "wevtutil sl Microsoft-Windows-CAPI2/Operational /e:true",
        "sc config Dhcp start= demand",
        rf'reg delete "{RCM}" /v "X509 Certificate2" /f',
    ],
)
@virtual
async def test_whatever_a_playbook_changes_is_in_the_picture(line: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert (await cmd.run(line))[0] == 0
    after = cmd.machine.disk.snapshot()
    assert after != before
    assert json.loads(json.dumps(after)) == after


@virtual
async def test_files_and_events_only_grow_and_are_not() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    await cmd.run("echo x>C:\\x.txt")
    cmd.machine.disk.events.service(7022, "x", 0)
    assert cmd.machine.disk.snapshot() == before


def test_two_machines_alike_have_one_picture() -> None:
    assert Prompt().machine.disk.snapshot() == Prompt().machine.disk.snapshot()
    certificates = Prompt().machine.registry.key(RCM)
    assert certificates is not None
    assert {name: len(certificates.get(name).data) for name in LICENCE_VALUES} == LICENCE_VALUES  # type: ignore[union-attr, arg-type]
