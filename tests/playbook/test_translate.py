from __future__ import annotations

from typing import Any

import pytest

from serialfix.playbook.cmdlets import CMDLETS
from serialfix.playbook.commandline import CommandLine, Shell
from serialfix.playbook.translate import translate
from serialfix.playbook.wanted import NoStep, Restart, Unknown, Wanted, kebab


def one(text: str, shell: Shell = "cmd") -> Any:
    (result,) = translate(CommandLine(text, shell))
    return result


@pytest.mark.parametrize(
    ("text", "kind", "body"),
    [
        (
            r'reg add "HKLM\A B" /v C /t REG_SZ /d "x y" /f',
            "registry",
            {"key": r"HKLM\A B", "value": "C", "type": "REG_SZ", "data": "x y"},
        ),
        (
            r"reg add HKLM\A /v C /t REG_MULTI_SZ /d a\0b /f",
            "registry",
            {"key": r"HKLM\A", "value": "C", "type": "REG_MULTI_SZ", "data": ["a", "b"]},
        ),
        (
            r"reg add HKLM\A /v C /t REG_EXPAND_SZ /d ^%X^%\b /f",
            "registry",
            {"key": r"HKLM\A", "value": "C", "type": "REG_EXPAND_SZ", "data": r"%X%\b"},
        ),
        (
            r"reg add HKLM\A /v C /t REG_BINARY /d ABcd /f",
            "registry",
            {"key": r"HKLM\A", "value": "C", "type": "REG_BINARY", "data": "abcd"},
        ),
        (
            r"reg delete HKLM\A /v C /f",
            "registry",
            {"key": r"HKLM\A", "value": "C", "state": "absent"},
        ),
        ("sc config A start= delayed-auto", "service", {"name": "A", "start": "delayed-auto"}),
        ("sc config A obj= LocalSystem", "service", {"name": "A", "account": "LocalSystem"}),
        ("net stop A /y", "service", {"name": "A", "state": "stopped"}),
        (
            "netsh advfirewall set publicprofile state on",
            "firewall_profile",
            {"profiles": ["public"], "enabled": True},
        ),
        (
            "netsh advfirewall set allprofiles firewallpolicy blockinbound,allowoutbound",
            "firewall_profile",
            {"inbound": "block"},
        ),
        (
            'netsh interface set interface name="Ethernet 2" admin=enabled',
            "network",
            {"interface": "Ethernet 2", "enabled": True},
        ),
        (
            'netsh interface ip set dns "Ethernet" dhcp',
            "network",
            {"interface": "Ethernet", "dhcp": True},
        ),
        (
            "bcdedit /set {bootmgr} timeout 5",
            "bcd",
            {"entry": "{bootmgr}", "element": "timeout", "value": "5"},
        ),
        (
            "bcdedit /debug {current} off",
            "bcd",
            {"entry": "{current}", "element": "debug", "value": "no"},
        ),
        ("net user bob /active:yes", "account", {"name": "bob", "enabled": True}),
        (
            'net localgroup "Remote Desktop Users" bob /delete',
            "account",
            {"name": "bob", "member_of": "Remote Desktop Users", "member": False},
        ),
        ("sc qc TermService", "look", {"command": "sc qc TermService"}),
        ("query session", "look", {"command": "query session"}),
    ],
)
def test_cmd(text: str, kind: str, body: dict[str, Any]) -> None:
    result = one(text)
    assert isinstance(result, Wanted)
    assert (result.kind, result.body) == (kind, body)


@pytest.mark.parametrize(
    ("text", "kind", "body"),
    [
        (
            r"Set-ItemProperty -Path 'HKLM:\A' -Name B -Value 7",
            "registry",
            {"key": r"HKLM\A", "value": "B", "type": "REG_DWORD", "data": 7},
        ),
        (
            r"New-ItemProperty 'HKLM:\A' B -PropertyType String -Value x -Force",
            "registry",
            {"key": r"HKLM\A", "value": "B", "type": "REG_SZ", "data": "x"},
        ),
        (
            r"Remove-ItemProperty -Path HKLM:\A -Name B",
            "registry",
            {"key": r"HKLM\A", "value": "B", "state": "absent"},
        ),
        (
            r"Get-ItemProperty -Path HKLM:\A -Name B",
            "look",
            {"command": r'reg query "HKLM\A" /v B'},
        ),
        ("Set-Service A -StartupType Manual", "service", {"name": "A", "start": "demand"}),
        (
            "Restart-Service -Name A -Force",
            "service",
            {"name": "A", "state": "running", "restart": True},
        ),
        (
            "Enable-NetFirewallRule -Name Acme-In-TCP",
            "firewall_rule",
            {"rule": "Acme-In-TCP", "enabled": True},
        ),
    ],
)
def test_powershell(text: str, kind: str, body: dict[str, Any]) -> None:
    result = one(text, "powershell")
    assert isinstance(result, Wanted)
    assert (result.kind, result.body) == (kind, body)


def test_a_group_of_rules_is_a_step_for_each() -> None:
    found = translate(
        CommandLine('netsh advfirewall firewall set rule group="remote desktop" new enable=Yes')
    )
    assert [isinstance(each, Wanted) and each.body["rule"] for each in found] == [
        "RemoteDesktop-UserMode-In-TCP",
        "RemoteDesktop-UserMode-In-UDP",
        "RemoteDesktop-Shadow-In-TCP",
    ]


@pytest.mark.parametrize("text", ["shutdown /r /t 0 /f", "restart", "Restart-Computer -Force"])
def test_restarts(text: str) -> None:
    assert isinstance(one(text), Restart)


@pytest.mark.parametrize("text", ["exit", "REM x", "powershell", r"reg export HKLM\A a.reg /y"])
def test_what_needs_no_step(text: str) -> None:
    assert isinstance(one(text), NoStep)


@pytest.mark.parametrize(
    "text",
    [
        r"reg add HKCU\A /v B /t REG_DWORD /d 1 /f",
        r"reg add HKLM\A /v B /t REG_DWORD /d many /f",
        r"reg add HKLM\A /v B /t REG_LINK /d a /f",
        r"reg add HKLM\A /f",
        r"reg delete HKLM\A /f",
        r"reg query HKLM\A > c:\a.txt",
        r"sc config A obj= .\bob password= x",
        'net start "Remote Desktop Services"',
        "net user bob secret",
        "net user bob secret /add",
        "net localgroup Administrators /add bob tom",
        "netsh advfirewall set allprofiles firewallpolicy blockinbound,blockoutbound",
        'netsh advfirewall firewall set rule name="Unheard of" new enable=yes',
        "netsh advfirewall firewall add rule name=a dir=in action=allow",
        'netsh interface ip set address "Ethernet" static 10.0.0.4 255.255.255.0',
        "bcdedit /emssettings EMSPORT:1",
        "bcdedit /set {<id>} safeboot minimal",
        "Set-ItemProperty -Path HKLM:\\A -Name B -Value $x",
        "sfc /scannow",
        "frobnicate /now",
        "sc query A | sc stop A",
        "netstat -ano | select-string 3389",
        "shutdown /s",
    ],
)
def test_what_is_not_understood_is_never_guessed(text: str) -> None:
    shell: Shell = "powershell" if text.startswith("Set-") else "cmd"
    assert all(isinstance(each, Unknown) for each in translate(CommandLine(text, shell)))


def test_every_cmdlet_that_is_known_wants_something() -> None:
    for name in CMDLETS:
        assert not isinstance(one(f"{name} -Name A -Path HKLM:\\A -Value 1"), NoStep)


def test_ids() -> None:
    assert kebab("fDenyTSConnections") == "deny-ts-connections"
    assert kebab("PortNumber") == "port-number"
    assert kebab("MinEncryptionLevel") == "min-encryption-level"
    assert kebab("日本") == "step"
