"""The shipped playbooks: what they hold is written here from catalogue.md, not from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from serialfix.errors import PlaybookError
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.library import playbook_files
from serialfix.playbook.load import LoadedPlaybook, bind, find_playbook, parse_playbook
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.bcd import BcdStep
from serialfix.playbook.steps.service import ServiceStep
from serialfix.windows import shell


ROOT = Path(__file__).parents[2]
NAMES = tuple(playbook_files({}))
TS = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
LST = rf"{TS}\WinStations\RDP-Tcp"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
SCH = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LSA = r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa"
CRASH = r"HKLM\SYSTEM\CurrentControlSet\Control\CrashControl"
AU = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU"
SPP = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform"


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CORE = words(
    """rdp-reset rdp-general-error rdp-enable firewall-rule-enable firewall-rule-disable nla-off
    nla-on termservice-repair rdp-port-reset firewall-off-temporary firewall-on
    rdp-license-certificate
    rdp-tls-enable credssp-oracle dhcp-enable nic-enable safe-mode-exit netlogon-start nsi-start
    rdp-encryption-level rdp-too-many-sessions local-admin-enable guest-agent-restart kms-activate
    boot-menu-timeout boot-menu-off"""
)
"""catalogue.md §1.1."""

# catalogue.md §4, §5: key, value, data; a number is a REG_DWORD, None is no such value
WANTED: dict[str, set[tuple[str, str, Any]]] = {
    "rdp-reset": {  # §4.1
        (LST, "SecurityLayer", 0),
        (LST, "MinEncryptionLevel", 1),
        (LST, "fQueryUserConfigFromLocalMachine", 1),
        (LST, "KeepAliveTimeout", 1),
        (POL, "KeepAliveEnable", 1),
        (POL, "KeepAliveInterval", 1),
        (LST, "fInheritReconnectSame", 0),
        (LST, "fReconnectSame", 1),
        (POL, "fDisableAutoReconnect", 0),
        (LST, "fInheritMaxSessionTime", 1),
        (LST, "fInheritMaxDisconnectionTime", 1),
        (LST, "MaxDisconnectionTime", 0),
        (LST, "MaxConnectionTime", 0),
        (LST, "fInheritMaxIdleTime", 1),
        (LST, "MaxIdleTime", 0),
        (LST, "MaxInstanceCount", 4294967295),
    },
    "rdp-general-error": {  # §4.2
        (POL, "fDenyTSConnections", 0),
        (TS, "fDenyTSConnections", 0),
        (TS, "TSEnabled", 1),
        (TS, "TSServerDrainMode", 0),
        (TS, "TSUserEnabled", 0),
        (LST, "fEnableWinStation", 1),
        (LST, "fLogonDisabled", 0),
    },
    "rdp-enable": {(TS, "fDenyTSConnections", 0)},  # §4.3
    "nla-off": {(LST, "UserAuthentication", 0)},  # §4.5
    "nla-on": {
        (LSA, "disabledomaincreds", 0),
        (LST, "UserAuthentication", 1),
        (LST, "SecurityLayer", 1),
        (LST, "fAllowSecProtocolNegotiation", 1),
    },
    "rdp-encryption-level": {(LST, "MinEncryptionLevel", 2), (LST, "SecurityLayer", 1)},
    "rdp-fips-off": {
        (rf"{LSA}\FIPSAlgorithmPolicy", "Enabled", 0),
        (LST, "MinEncryptionLevel", 2),
    },
    "domain-creds-allow": {(LSA, "disabledomaincreds", 0)},
    "rdp-port-reset": {(LST, "PortNumber", 3389)},  # §4.7
    "rdp-tls-enable": {  # §4.10
        (rf"{SCH}\TLS {version}\Server", name, data)
        for version in ("1.0", "1.1", "1.2")
        for name, data in (("Enabled", 1), ("DisabledByDefault", 0))
    },
    "credssp-oracle": {  # §4.11
        (
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters",
            "AllowEncryptionOracle",
            data,
        )
        for data in (2, None)
    },
    "rdp-too-many-sessions": {  # §4.16
        (
            r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\TerminalServerGateway\Config\Core",
            "MaxConnections",
            0xFFFFFFFF,
        )
    },
    "rdp-session-limit": {
        (LST, "MaxInstanceCount", 0xFFFFFFFF),
        (TS, "fSingleSessionPerUser", 1),
    },
    "kms-activate": {  # §4.19, activation-slmgr-vbs-options
        (SPP, "KeyManagementServiceName", "azkms.core.windows.net"),
        (SPP, "KeyManagementServicePort", "1688"),
    },
    "rdp-azure-defaults": {  # §5.3, §6
        (TS, "fDenyTSConnections", 0),
        (LST, "LanAdapter", 0),
        (LST, "UserAuthentication", 1),
        (LST, "SecurityLayer", 2),
        (LST, "MinEncryptionLevel", 2),
        (LST, "fAllowSecProtocolNegotiation", 1),
        (LST, "KeepAliveTimeout", 1),
        (POL, "KeepAliveEnable", 1),
        (POL, "KeepAliveInterval", 1),
        (POL, "fDisableAutoReconnect", 0),
        (LST, "fInheritReconnectSame", 1),
        (LST, "fReconnectSame", 0),
        (LST, "fInheritMaxSessionTime", 1),
        (LST, "fInheritMaxDisconnectionTime", 1),
        (LST, "MaxDisconnectionTime", 0),
        (LST, "MaxConnectionTime", 0),
        (LST, "fInheritMaxIdleTime", 1),
        (LST, "MaxIdleTime", 0),
        (LST, "MaxInstanceCount", 4294967295),
        (LST, "SSLCertificateSHA1Hash", None),
    },
    "rdp-tls-certificate": {(LST, "SSLCertificateSHA1Hash", None)},  # §5.4
    "rdp-license-server": {  # §5.6
        (rf"{TS}\RCM\Licensing Core", "LicensingMode", 4),
        (
            r"HKLM\SYSTEM\CurrentControlSet\Services\TermService\Parameters\LicenseServers",
            "SpecifiedLicenseServers",
            ("licences.contoso.com",),
        ),
    },
    "rdp-access-denied": {  # §5.7, with A3
        (TS, "IgnoreRegUserConfigErrors", 1),
        (rf"{LSA}\Kerberos\Parameters", "MaxTokenSize", 48000),
    },
    "rdp-security-layer": {(LST, "SecurityLayer", 2), (LST, "MinEncryptionLevel", 2)},  # §6
    "rdp-keep-alive": {
        (POL, "KeepAliveEnable", 1),
        (POL, "KeepAliveInterval", 1),
        (LST, "KeepAliveTimeout", 1),
    },
    "memory-dump-config": {  # §5.11
        (CRASH, "CrashDumpEnabled", 1),
        (CRASH, "DumpFile", RegistryValue(RegistryType.EXPAND_SZ, r"%SystemRoot%\MEMORY.DMP")),
        (CRASH, "NMICrashDump", 1),
    },
    "dotnet-enable64bit": {(r"HKLM\SOFTWARE\Microsoft\.NETFramework", "Enable64Bit", 1)},  # §5.16
    "wu-off": {(AU, "NoAutoUpdate", 1), (AU, "AUOptions", 3)},  # §5.17
    "wu-on": {(AU, "NoAutoUpdate", 0), (AU, "AUOptions", 4)},
}
# §6: the values of TS and LST that a policy of the same name overrides
TWINS = words(
    """fDenyTSConnections fSingleSessionPerUser SecurityLayer MinEncryptionLevel UserAuthentication
    fReconnectSame fResetBroken MaxConnectionTime MaxDisconnectionTime MaxIdleTime MaxInstanceCount
    fPromptForPassword Shadow LicensingMode"""
)
# §1: the column R; what restarts TermService in its place is in RESTARTED
RESTARTS = words(
    """rdp-reset rdp-general-error nla-off nla-on rdp-license-certificate rdp-tls-enable
    safe-mode-exit rdp-encryption-level rdp-too-many-sessions rdp-fips-off rdp-license-server
    rdp-access-denied sac-enable kernel-debug-off memory-dump-config dsrm-exit dotnet-enable64bit
    gpsvc-resume"""
)
RESTARTED = words(
    """rdp-port-reset rdp-azure-defaults rdp-tls-certificate rdp-session-limit rdp-security-layer
    rdp-keep-alive"""
)
# §4.8, §4.12 to §4.20, §5: entry, element, value
BOOT: dict[str, set[tuple[str, str, str | None]]] = {
    "safe-mode-exit": {
        ("{current}", "safeboot", None),
        ("{current}", "safebootalternateshell", None),
    },
    "boot-menu-timeout": {("{bootmgr}", "timeout", "5")},
    "boot-menu-off": {("{bootmgr}", "displaybootmenu", None)},
    "dsrm-exit": {("{current}", "safeboot", None)},
    "kernel-debug-off": {("{current}", "debug", "no")},
    "sac-enable": {
        ("{current}", "ems", "yes"),
        ("{emssettings}", "emsport", "1"),
        ("{emssettings}", "emsbaudrate", "115200"),
        ("{bootmgr}", "displaybootmenu", "yes"),
        ("{bootmgr}", "timeout", "10"),
        ("{bootmgr}", "bootems", "yes"),
    },
}


@cache
def shipped(name: str) -> LoadedPlaybook:
    return find_playbook(name, environ={})


def book(name: str) -> Playbook:
    return shipped(name).playbook


def steps(name: str, kind: str) -> Iterator[tuple[Step, Any]]:
    return ((step, step.wish) for step in book(name).steps if step.kind == kind)


def given(name: str, **values: str) -> Playbook:
    """The playbook with these values, and with its examples for what must be given."""
    loaded = shipped(name)
    examples = {each: loaded.playbook.parameters[each].shown for each in loaded.needed}
    return bind(loaded, {**examples, **values}).playbook


def services(name: str) -> dict[str, ServiceStep]:
    return {step.id: wish for step, wish in steps(name, "service")}


def value(data: Any) -> RegistryValue | None:
    match data:
        case int():
            return RegistryValue(RegistryType.DWORD, data)
        case str():
            return RegistryValue(RegistryType.SZ, data)
        case tuple():
            return RegistryValue(RegistryType.MULTI_SZ, data)
        case _:
            assert data is None or isinstance(data, RegistryValue)
            return data


def test_the_first_folder_that_has_a_name_wins(tmp_path: Path) -> None:
    for folder, names in (("a", ("x", "rdp-reset")), ("b", ("x", "y"))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.yaml").touch()
    path = os.pathsep.join(("", str(tmp_path / "a"), str(tmp_path / "none"), str(tmp_path / "b")))
    found = playbook_files({"SERIALFIX_PLAYBOOK_PATH": path})
    assert list(found) == sorted(found)
    assert {name: found[name].parent.name for name in ("x", "y", "rdp-reset")} == {
        "x": "a",
        "y": "b",
        "rdp-reset": "a",
    }


# --- all of them -------------------------------------------------------------------------------


def test_the_core_of_the_catalogue_is_there() -> None:
    assert set(NAMES) >= CORE
    assert len(NAMES) >= 50


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_playbook_says_what_its_reader_needs(name: str) -> None:
    loaded, playbook = shipped(name), book(name)
    assert playbook.name == name
    assert loaded.text.startswith(
        "# yaml-language-server: $schema=schema/playbook-v1.json\n"
        "# $schema: schema/playbook-v1.json\n"
    )
    assert playbook.symptoms
    assert playbook.sources
    assert all(source.startswith("https://") for source in playbook.sources)
    assert "Corrected against the " in playbook.description
    assert ("THE VM RESTARTS" in playbook.description) == (playbook.restart != "never")
    assert (ROOT / "docs" / "playbooks" / f"{name}.md").is_file()
    assert all(len(proof.id) > 0 for proof in playbook.proofs)
    for step in playbook.steps:
        assert step.why.endswith("."), step.id


@pytest.mark.parametrize("name", NAMES)
def test_what_is_typed_can_be_typed(name: str) -> None:
    """No line asks a question, is too long to be verified, or holds what a screen cannot show."""
    for step in book(name).steps:
        wish = step.wish
        for text in (getattr(wish, each, None) for each in ("check", "run", "undo", "command")):
            if text is not None:
                assert shell.line(text) == text
                assert "\n" not in text
        if step.registry is not None and step.registry.wanted is not None:
            assert step.registry.line(None)


@pytest.mark.parametrize("name", NAMES)
def test_the_vm_restarts_only_where_the_catalogue_says_so(name: str) -> None:
    assert book(name).restart == ("if_changed" if name in RESTARTS else "never")


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_a_policy_overrides_names_it(name: str) -> None:
    for step, wish in steps(name, "registry"):
        overridden = wish.key in (TS, LST, rf"{TS}\RCM\Licensing Core") and wish.value in TWINS
        assert wish.policy_twin == (POL if overridden else None), step.id


@pytest.mark.parametrize("name", sorted(RESTARTED))
def test_the_listener_restarts_when_any_of_its_values_changes(name: str) -> None:
    (service,) = services(name).values()
    assert service.name == "TermService"
    assert set(service.restart_if_changed) == {step.id for step, _ in steps(name, "registry")}
    assert [step.kind for step in book(name).steps][-1] == "service"


# --- against the catalogue ---------------------------------------------------------------------


def test_every_registry_value_of_every_playbook_is_in_the_catalogue() -> None:
    found = {
        name: {(wish.key, wish.value, wish.wanted) for _, wish in steps(name, "registry")}
        for name in NAMES
    }
    wanted = {
        name: {(key, entry, value(data)) for key, entry, data in rows}
        for name, rows in WANTED.items()
    }
    assert {name: rows for name, rows in found.items() if rows} == wanted


def test_every_boot_setting_of_every_playbook_is_in_the_catalogue() -> None:
    found: dict[str, set[tuple[str, str, str | None]]] = {}
    for name in NAMES:
        for _, wish in steps(name, "bcd"):
            assert isinstance(wish, BcdStep)
            found.setdefault(name, set()).add((wish.entry, wish.element, wish.value))
    assert found == BOOT


def test_values_that_must_not_be_made_are_only_changed_where_they_are() -> None:
    kept = {
        (name, wish.value)
        for name in NAMES
        for _, wish in steps(name, "registry")
        if wish.only_if_present
    }
    assert kept == {
        ("rdp-general-error", "fDenyTSConnections"),  # §4.2: no policy: skip, do not create
        ("rdp-general-error", "TSServerDrainMode"),  # §4.2: absent means 0
        ("nla-on", "fAllowSecProtocolNegotiation"),
        ("rdp-too-many-sessions", "MaxConnections"),  # §4.16 S2: the role's own value
        ("rdp-fips-off", "Enabled"),
        ("dotnet-enable64bit", "Enable64Bit"),
    }
    policy, local = [
        wish for _, wish in steps("rdp-general-error", "registry") if wish.value.startswith("fDeny")
    ]
    assert (policy.key, policy.only_if_present) == (POL, True)
    assert (local.key, local.only_if_present) == (TS, False)


def conditions(name: str) -> dict[str, str]:
    return {step.id: str(step.when) for step in book(name).steps if step.when is not None}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("nla-on", {"security-layer": "security-layer is 0"}),
        (
            "rdp-encryption-level",
            {"security-layer": "level is 1", "encryption-level": "present-level is not 4"},
        ),
        ("rdp-fips-off", {"encryption-level": "level is 4"}),
        ("rdp-security-layer", {"encryption-level": "level is 1"}),
        (
            "rdp-tls-enable",
            dict.fromkeys(
                ("tls-11", "tls-11-offered", "tls-10", "tls-10-offered"), "old_versions is True"
            ),
        ),
        (
            "credssp-oracle",
            {"oracle": "remove is False", "oracle-removed": "remove is True"},
        ),
        (
            "netlogon-start",
            {"member": "domain is not  or absent", "workgroup": "domain is  or absent"},
        ),
        (
            "guest-agent-restart",
            dict.fromkeys(("rdagent-again", "guest-agent-again"), "restart is True"),
        ),
        ("rdp-port-reset", dict.fromkeys(("rule-tcp", "rule-udp"), "port is not 3389")),
    ],
)
def test_conditions(name: str, wanted: dict[str, str]) -> None:
    assert conditions(name) == wanted


def test_old_tls_comes_only_when_it_is_asked_for() -> None:
    def applying(**values: str) -> set[str]:
        playbook = given("rdp-tls-enable", **values)
        return {step.id for step in playbook.steps if playbook.applies(step, {})}

    assert applying() == {"tls-12", "tls-12-offered"}
    assert len(applying(old_versions="true")) == 6


def test_the_branches_of_the_services_article_are_the_correct_ones() -> None:
    """catalogue.md §4.6, §5.1: T1, T2, H1, H2; the article swaps 1053 and 1058."""
    account = {"TermService": "NetworkService", "Dhcp": "LocalService"}
    for name, start in (("termservice-repair", "demand"), ("dhcp-client-repair", "auto")):
        (service,) = services(name).values()
        branches = {code: each for each in service.start_failures for code in each.codes}
        assert service.start == start
        settings = {code: each.set.given for code, each in branches.items() if each.set}
        assert settings == {
            1058: {"start": start},
            1077: {"start": start},
            1069: {"account": rf"NT AUTHORITY\{account[service.name]}"},
            1053: {"type": "own"},
            1067: {"type": "own"},
            1070: {"type": "own"},
        }
        assert {code for code, each in branches.items() if each.advice} >= {5, 1059, 1068, 1079}
    (service,) = services("termservice-repair").values()
    assert 1753 in {code for each in service.start_failures for code in each.codes}
    assert service.start_accepts == ("auto", "delayed-auto")  # a start type that works stays


def test_netlogon_starts_with_windows_only_on_members_of_a_domain() -> None:
    """catalogue.md §4.15 O5."""
    found = services("netlogon-start")
    assert (found["member"].start, found["member"].state) == ("auto", "running")
    assert found["member"].start_accepts == ("demand",)
    assert (found["workgroup"].start, found["workgroup"].state) == ("demand", None)
    assert found["workgroup"].start_accepts == ("auto",)


def test_nsi_is_never_stopped() -> None:
    """catalogue.md §4.15 O6."""
    (service,) = services("nsi-start").values()
    assert (service.name, service.start, service.state) == ("nsi", "auto", "running")
    assert not service.restarts


def test_the_agent_is_restarted_only_when_that_is_asked_for() -> None:
    found = services("guest-agent-restart")
    for id, name in (("rdagent", "RdAgent"), ("guest-agent", "WindowsAzureGuestAgent")):
        assert (found[id].name, found[id].start, found[id].state) == (name, "auto", "running")
        assert not found[id].restart
        assert (found[f"{id}-again"].name, found[f"{id}-again"].restart) == (name, True)


def test_the_licence_certificates_are_exported_and_not_read() -> None:
    """catalogue.md §4.9."""
    ((_, wish),) = steps("rdp-license-certificate", "registry_removal")
    assert wish.key == rf"{TS}\RCM"
    assert wish.values == (
        "Certificate",
        "X509 Certificate",
        "X509 Certificate ID",
        "X509 Certificate2",
    )


@pytest.mark.parametrize(
    ("name", "on", "rules"),
    [
        ("rdp-enable", True, ("UserMode-In-TCP", "UserMode-In-UDP")),
        ("firewall-rule-enable", True, ("UserMode-In-TCP", "UserMode-In-UDP")),
        ("firewall-rule-disable", False, ("UserMode-In-TCP", "UserMode-In-UDP")),
        ("firewall-inbound-policy", True, ("UserMode-In-TCP", "UserMode-In-UDP")),
        (
            "firewall-rdp-group-enable",
            True,
            ("UserMode-In-TCP", "UserMode-In-UDP", "Shadow-In-TCP"),
        ),
    ],
)
def test_firewall_rules_are_known_by_id_and_english_name(
    name: str, on: bool, rules: tuple[str, ...]
) -> None:
    """catalogue.md §4.4 F1, F4."""
    english = {
        "UserMode-In-TCP": "User Mode (TCP-In)",
        "UserMode-In-UDP": "User Mode (UDP-In)",
        "Shadow-In-TCP": "Shadow (TCP-In)",
    }
    found = [(wish.rule, wish.name, wish.enabled) for _, wish in steps(name, "firewall_rule")]
    assert found == [
        (f"RemoteDesktop-{rule}", f"Remote Desktop - {english[rule]}", on) for rule in rules
    ]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("firewall-off-temporary", {"enabled": False}),
        ("firewall-on", {"enabled": True}),
        ("firewall-inbound-policy", {"inbound": "block"}),
    ],
)
def test_firewall_profiles(name: str, wanted: dict[str, Any]) -> None:
    """catalogue.md §4.8 K1: whoever switches it off says how it comes back; §5.2."""
    ((_, wish),) = steps(name, "firewall_profile")
    assert set(wish.profiles) == {"domain", "private", "public"}
    assert {"enabled": wish.enabled, "inbound": wish.inbound} == {
        "enabled": None,
        "inbound": None,
        **wanted,
    }
    assert ("firewall-on" in (book(name).undo or "")) == (name == "firewall-off-temporary")


def test_a_policy_that_blocks_all_that_comes_in_is_told() -> None:
    """catalogue.md §5.2 J3."""
    ((_, wish),) = steps("firewall-inbound-policy", "firewall_profile")
    policies = {(policy.key.rpartition("\\")[2], policy.name) for policy in wish.policies}
    profiles = ("DomainProfile", "StandardProfile", "PublicProfile")
    assert policies == {(profile, "DoNotAllowExceptions") for profile in profiles}
    assert {policy.harmless for policy in wish.policies} == {RegistryValue(RegistryType.DWORD, 0)}


def test_network_and_accounts() -> None:
    ((_, dhcp),) = steps("dhcp-enable", "network")
    ((_, nic),) = steps("nic-enable", "network")
    assert (dhcp.interface, dhcp.wanted) == ("auto", {"dhcp": True, "dns": []})  # §4.12 W1
    assert (nic.interface, nic.wanted) == ("auto", {"enabled": True})
    enabled = given("local-admin-enable", user="jo").steps[0].wish
    member = given("rdp-users-add", user="jo", group="Gruppe").steps[0].wish
    assert (enabled.title, enabled.wanted) == ("account jo", {"enabled": True})
    assert (member.title, member.wanted) == ("account jo in Gruppe", {"member": True})


@pytest.mark.parametrize(
    "name", ["rdp-port-conflict", "rdp-listener-check", "rdp-bruteforce-check"]
)
def test_a_diagnosis_changes_nothing(name: str) -> None:
    assert {step.kind for step in book(name).steps} == {"look"}


def test_the_listener_is_proven_on_the_port_that_is_given() -> None:
    proven = 0
    for name in NAMES:
        listeners = [proof.listener for proof in book(name).proofs if proof.listener is not None]
        if not listeners or name == "rdp-reset":  # it is as the article has it: 3389
            continue
        (listener,) = (each.listener for each in given(name, port="4444").proofs if each.listener)
        assert (listener.port, listener.service) == (4444, "TermService"), name
        proven += 1
    assert proven > 15


def test_what_must_be_told() -> None:
    needed = {name: shipped(name).needed for name in NAMES if shipped(name).needed}
    assert needed == {
        "local-admin-enable": ("user",),
        "rdp-users-add": ("user",),
        "rdp-license-server": ("server", "mode"),  # §5.6 R2: never a guess
    }


# The numbered defects of the documents, and by which words a description says that it has none.
# Those of offline parts, and of what is not done at all, are left out.
DEFECTS: dict[str, dict[str, str]] = {
    "rdp-reset": {"I1": "without the single quotes", "I3": "the number 0xffffffff"},
    "rdp-general-error": {"G1": 'second "step 2"', "G2": "a policy is never made"},
    "rdp-enable": {"CP1": "without /f would wait", "F4": "translated"},
    "firewall-rule-enable": {
        "F1": "by their ids",
        "F3": "whole rule text",
        "F4": "is translated",
        "F5": "nothing lists all rules",
    },
    "firewall-rule-disable": {"F1": "by their ids", "F4": "is translated"},
    "firewall-rdp-group-enable": {"F4": "its name is translated"},
    "nla-off": {"N1": "without /f would wait", "N6": "policy that may override"},
    "nla-on": {"N6": "policy that may override"},
    "rdp-encryption-level": {"N3": "together with TLS only", "N6": "policy that may override"},
    "rdp-fips-off": {"N2": "printed as `reg query`"},
    "termservice-repair": {
        "T1": "1053 (a crash or hang) and 1058 (disabled) are not swapped",
        "T2": "without single quotes",
        "T5": "A process of its own is called the default",
        "T7": "fail with 1051",
    },
    "dhcp-client-repair": {
        "H1": "without single quotes",
        "H2": "error 1053 has one advice",
        "H3": "no download",
        "H4": "A process of its own is called the default",
        "H5": "fail with 1051",
    },
    "rdp-port-reset": {"P2": "without 0x", "P3": "TCP and UDP move together", "P4": "3398"},
    "rdp-port-conflict": {"P1": '"Termservice.exe" does not exist'},
    "firewall-off-temporary": {
        "K1": "does not come back by itself",
        "K3": "no policy values",
        "K6": "recent versions of Windows refuse",
    },
    "firewall-on": {"K1": "does not come back by itself", "K3": "no policy values"},
    "rdp-tls-enable": {"L3": "DisabledByDefault", "L6": "SecurityLayer stays"},
    "gpsvc-resume": {"L1": "stand on one line", "L4": "Windows protects this service"},
    "credssp-oracle": {
        "D1": "without /f would wait",
        "D2": "without the backslash at its end",
        "D3": "where `Set-ItemProperty` fails",
        "D5": "any later cumulative update",
    },
    "dhcp-enable": {"W1": "DNS servers are put to DHCP as well"},
    "safe-mode-exit": {"X4": "safebootalternateshell"},
    "netlogon-start": {
        "O1": "`start= auto` has its blank",
        "O2": "no `sc` lines are typed into PowerShell",
        "O4": "DNS client",
        "O5": "workgroup machines are not put to automatic",
    },
    "nsi-start": {
        "O1": "`start= auto` has its blank",
        "O2": "no `sc` lines are typed into PowerShell",
        "O6": "nothing stops a running service",
        "O7": "list of events",
    },
    "rdp-too-many-sessions": {
        "S1": "its text says 0",
        "S2": "belongs to the gateway role",
        "S3": "the sessions are shown",
    },
    "kms-activate": {"AB1": "slmgr.vbs runs in cscript"},
    "boot-menu-timeout": {"Y1": "switches the menu on"},
    "boot-menu-off": {"Y1": "switches the menu on"},
    "firewall-inbound-policy": {
        "J1": "nothing asks",
        "J2": "no comment of another shell",
        "J3": "a policy that blocks everything is read",
    },
    "rdp-azure-defaults": {
        "V1": "a missing letter",
        "V2": "a blank at the end",
        "V3": "removes the certificate instead",
        "V4": "the port without 0x",
    },
    "rdp-tls-certificate": {"C1": "without /f would wait", "C4": "calls defaults"},
    "rdp-license-server": {
        "R1": "without /f would wait",
        "R2": "not taken for a fault",
        "R3": "180 days",
        "R4": "a policy with other servers is shown",
    },
    "rdp-access-denied": {"A2": "cannot work", "A3": "more than the 48000"},
    "memory-dump-config": {"Z1": "%SystemRoot% becomes C:\\Windows", "Z2": "7 the automatic one"},
    "kernel-debug-off": {"Z4": "placeholder"},
    "dsrm-exit": {"Q1": "an extra word"},
}


@pytest.mark.parametrize("name", DEFECTS)
def test_the_defects_of_the_documents_are_named(name: str) -> None:
    said = " ".join(book(name).description.split())
    assert not {defect for defect, phrase in DEFECTS[name].items() if phrase not in said}


LOWERING = words(
    """rdp-reset rdp-general-error rdp-enable firewall-rule-enable nla-off nla-on rdp-port-reset
    firewall-off-temporary rdp-tls-enable credssp-oracle rdp-encryption-level local-admin-enable
    firewall-inbound-policy firewall-rdp-group-enable rdp-fips-off domain-creds-allow
    rdp-azure-defaults rdp-tls-certificate rdp-users-add sac-enable memory-dump-config wu-off
    rdp-access-denied rdp-security-layer"""
)


def test_what_lowers_security_says_so() -> None:
    assert {name for name in NAMES if book(name).security} == LOWERING


# --- mistakes ----------------------------------------------------------------------------------

_LINE = re.compile(r"(?P<start> *(?:- )?)(?:(?P<key>[a-z_]+):(?: (?P<value>.+))?|(?P<item>.+))$")


def _breakable(text: str) -> Iterator[tuple[int, re.Match[str], str]]:
    """The lines that hold keys, with their numbers and the key that they are under; comments and
    the lines of long texts hold none."""
    block: int | None = None
    above: dict[int, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        indent = len(line) - len(line.lstrip())
        if not line.strip() or line.startswith("#") or (block is not None and indent > block):
            continue
        match = _LINE.match(line)
        assert match is not None, line
        above = {depth: key for depth, key in above.items() if depth < indent}
        yield number, match, above[max(above)] if above else ""
        depth = len(match["start"])
        if match["key"]:
            above[depth] = match["key"]
        long = re.search(r"(: |- )[|>]-?$", line)
        block = depth if long else None


def _broken(text: str) -> Iterator[tuple[str, str, set[int]]]:
    """The text with one mistake, what it is, and the lines that may be named for it."""
    lines = text.splitlines()

    def having(number: int, *new: str) -> str:
        return "\n".join((*lines[: number - 1], *new, *lines[number:])) + "\n"

    for number, match, under in _breakable(text):
        line, start, key = lines[number - 1], match["start"], match["key"]
        if key and under != "parameters":  # there, any name is right
            rest = line[len(start) + len(key) :]
            yield having(number, f"{start}{key}x{rest}"), "unknown key", {number}
        long = (match["value"] or match["item"] or "").startswith(("|", ">"))
        if not long and (match["item"] or match["value"]):
            head = f"{start}{key}: " if key else start
            yield having(number, f"{head}[[]]"), "wrong type", {number}
        whole = "-" in start and (match["value"] or "").startswith("{")  # it may stand twice
        if key and not whole:
            # a list's entry that stands twice lacks the rest: that is told at the first
            yield having(number, line, line), "twice", {number, number + 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_on_any_line_is_told_with_its_line(name: str) -> None:
    count = 0
    for text, what, wanted in _broken(shipped(name).text):
        count += 1
        with pytest.raises(PlaybookError) as caught:
            parse_playbook(text, file="b.yaml")
        assert caught.value.line in wanted, (what, wanted, str(caught.value), text)
    assert count > 20
