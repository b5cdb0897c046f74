from __future__ import annotations

import pytest

from serialfix.lab.firewall import GROUP_POLICY, POLICY, RULES
from serialfix.lab.profiles import PROFILES, Language, dword
from tests.lab.terminal import Prompt, virtual


NAME: dict[Language, str] = {
    "en": "Remote Desktop - User Mode (TCP-In)",
    "fr": "Bureau à distance - Mode utilisateur (TCP-Entrée)",
    "nl": "Extern bureaublad - Gebruikersmodus (TCP-In)",
    "de": "Remotedesktop - Benutzermodus (TCP eingehend)",
    "ja": "リモート デスクトップ - ユーザー モード (TCP 受信)",
}
TCP = "RemoteDesktop-UserMode-In-TCP"


def rule(cmd: Prompt, name: str = TCP) -> str:
    value = cmd.machine.registry.get(RULES, name)
    assert value is not None
    return str(value.data)


@virtual
async def test_profiles_are_switched_in_the_registry() -> None:
    cmd = Prompt()
    assert await cmd.run("netsh advfirewall set allprofiles state off") == (0, "Ok.\r\n\r\n")
    for key in ("DomainProfile", "StandardProfile", "PublicProfile"):
        assert cmd.machine.registry.get(f"{POLICY}\\{key}", "EnableFirewall") == dword(0)
    assert (await cmd.run("netsh advfirewall set privateprofile state on"))[0] == 0
    shown = await cmd.out("netsh advfirewall show allprofiles state")
    states = [line.split()[-1] for line in shown.splitlines() if line.startswith("State ")]
    assert states == ["OFF", "ON", "OFF"]
    assert len((await cmd.out("netsh advfirewall show allprofiles")).splitlines()) > 24


@virtual
async def test_the_policy_for_what_comes_in() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    set_policy = "netsh advfirewall set allprofiles firewallpolicy"
    assert (await cmd.run(f"{set_policy} blockinboundalways,allowoutbound"))[0] == 0
    assert "BlockInboundAlways,AllowOutbound" in await cmd.out("netsh adv show publicprofile")
    assert cmd.machine.disk.snapshot() != before
    assert (await cmd.run(f"{set_policy} blockinbound,allowoutbound"))[0] == 0
    assert cmd.machine.disk.snapshot() == before  # a default written out is no change
    assert (await cmd.run(f"{set_policy} allowinbound,allowoutbound"))[0] == 0
    key = f"{POLICY}\\PublicProfile"
    assert cmd.machine.registry.get(key, "DefaultInboundAction") == dword(0)


@virtual
async def test_a_group_policy_is_what_counts() -> None:
    cmd = Prompt()
    cmd.machine.registry.set(f"{GROUP_POLICY}\\DomainProfile", "EnableFirewall", dword(1))
    assert (await cmd.run("netsh advfirewall set domainprofile state off"))[0] == 0
    assert "ON" in await cmd.out("netsh advfirewall show domainprofile state")


@virtual
async def test_a_rule_is_shown_on_fifteen_lines() -> None:
    code, text = await Prompt().run(f'netsh advfirewall firewall show rule name="{NAME["en"]}"')
    assert code == 0
    assert "Rule Name:                            Remote Desktop - User Mode (TCP-In)\r\n" in text
    assert "LocalPort:                            3389\r\n" in text
    assert len(text.rstrip().splitlines()) == 15


@pytest.mark.parametrize("language", ["en", "fr", "nl", "de", "ja"])
@virtual
async def test_rules_are_known_by_the_name_that_windows_shows(language: Language) -> None:
    cmd = Prompt(language=language)
    line = "netsh advfirewall firewall set rule name={} new enable=no"
    for other, name in NAME.items():
        code, _ = await cmd.run(line.format(f'"{name}"'))
        assert code == int(other != language)
    assert "|Active=FALSE|" in rule(cmd)
    code, _ = await cmd.run(
        'netsh advfirewall firewall set rule group="@FirewallAPI.dll,-28752" new enable=yes'
    )
    assert (code, "|Active=TRUE|" in rule(cmd)) == (0, True)


@virtual
async def test_a_group_is_three_rules_and_a_direction_may_be_said() -> None:
    cmd = Prompt()
    before = rule(cmd)
    text = await cmd.out('netsh advfirewall firewall set rule group="remote desktop" new enable=no')
    assert "Updated 3 rule(s).\r\nOk.\r\n" in text
    line = f'netsh advfirewall firewall set rule dir={{}} name="{NAME["en"]}" new enable=yes'
    code, text = await cmd.run(line.format("out"))
    assert (code, text) == (1, "\r\nNo rules match the specified criteria.\r\n\r\n")
    assert (await cmd.run(line.format("in")))[0] == 0
    assert rule(cmd) == before


@virtual
async def test_rules_are_added_and_deleted() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert (
        await cmd.run(
            'netsh advfirewall firewall add rule name="Custom" dir=in action=allow protocol=TCP '
            "localport=3390 service=termservice enable=yes"
        )
    )[0] == 0
    assert "LocalPort:                            3390" in await cmd.out(
        "netsh advfirewall firewall show rule name=custom"
    )
    text = await cmd.out("netsh advfirewall firewall delete rule name=custom")
    assert "Deleted 1 rule(s)." in text
    assert cmd.machine.disk.snapshot() == before


@pytest.mark.parametrize(
    "line",
    [
        "netsh advfirewall set allprofiles state perhaps",
        "netsh advfirewall set noprofile state on",
        "netsh advfirewall set allprofiles firewallpolicy blockinbound",
        "netsh advfirewall firewall set rule name=x enable=yes",
        f'netsh advfirewall firewall set rule name="{NAME["en"]}" new enable=perhaps',
        "netsh advfirewall firewall show rule",
        "netsh advfirewall dance",
        "netsh nap client show configuration",  # gone since 2016 (catalogue §3.7 CP3)
    ],
)
@virtual
async def test_a_wrong_line_is_1_and_changes_nothing(line: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    code, text = await cmd.run(line)
    assert (code, bool(text.strip())) == (1, True)
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_without_its_service_nothing_is_told() -> None:
    cmd = Prompt()
    del cmd.machine.running["mpssvc"]
    code, text = await cmd.run("netsh advfirewall show allprofiles state")
    assert (code, "State" in text) == (1, False)


@virtual
async def test_alone_it_asks_for_commands() -> None:
    cmd = Prompt()
    code, text = await cmd.run("netsh", "advfirewall set publicprofile state off", "bye")
    assert (code, text.count("netsh>")) == (0, 2)
    assert cmd.machine.registry.get(f"{POLICY}\\PublicProfile", "EnableFirewall") == dword(0)


def test_the_schema_version_of_rules_is_that_of_the_windows() -> None:
    versions = {name: rule(Prompt(name)).partition("|")[0] for name in PROFILES}
    assert len(set(versions.values())) == 4
    assert versions["ws2019"] == "v2.30"
