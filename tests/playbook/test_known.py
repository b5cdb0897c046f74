from __future__ import annotations

import pytest

from serialfix.playbook import known
from serialfix.playbook.load import find_playbook
from serialfix.windows.firewall import GROUP_POLICY, POLICY_STORE


LST = known.LST


@pytest.mark.parametrize(
    ("key", "spelled"),
    [
        (r"HKLM\SYSTEM\currentcontrolset\control\Terminal Server\Winstations\rdp-tcp", LST),
        ("HKEY_LOCAL_MACHINE" + LST[4:], LST),
        ("HKLM:" + LST[4:] + "\\", LST),
        (r"HKLM\SOFTWARE\Acme\Some Thing", r"HKLM\SOFTWARE\Acme\Some Thing"),
        ("HKLM", "HKLM"),
    ],
)
def test_known_keys_are_spelled_as_windows_spells_them(key: str, spelled: str) -> None:
    assert known.spelled(key) == spelled
    assert known.spelled(spelled) == spelled


@pytest.mark.parametrize(
    ("key", "hive", "twin"),
    [
        (r"HKLM\BROKENSYSTEM\ControlSet001\Control\Lsa", "SYSTEM", known.LSA),
        (r"HKU\BROKENSYSTEM\ControlSet002\Control\Lsa", "SYSTEM", known.LSA),
        (r"HKLM\RepairSOFTWARE\Acme", "SOFTWARE", r"HKLM\SOFTWARE\Acme"),
        (r"HKLM\Mine\ControlSet001\Control\Lsa", "SYSTEM", known.LSA),
        (r"HKLM\SYSTEM\ControlSet001\Control\Lsa", None, known.LSA),
        (r"HKLM\SOFTWARE\BROKENSYSTEM", None, r"HKLM\SOFTWARE\BROKENSYSTEM"),
    ],
)
def test_loaded_hives_and_their_twins(key: str, hive: str | None, twin: str) -> None:
    assert known.loaded_hive(key) == hive
    assert known.online(key) == twin


def test_the_shipped_playbook_has_the_twins_that_are_known() -> None:
    for step in find_playbook("rdp-reset", environ={}).playbook.steps:
        assert step.registry is not None
        twin = known.policy_twin(step.registry.key, step.registry.value)
        assert twin == step.registry.policy_twin, step.id
        assert known.needs_restart(step.registry.key, step.registry.value)


def test_policies() -> None:
    assert known.overrides_local(known.POL, "fDenyTSConnections")
    assert not known.overrides_local(known.POL, "KeepAliveEnable")
    assert known.overrides_local(rf"{GROUP_POLICY}\PublicProfile", "EnableFirewall")
    assert known.policy_twin(LST, "PortNumber") is None


@pytest.mark.parametrize(
    ("key", "value", "data", "lowers"),
    [
        (LST, "SecurityLayer", 0, True),
        (LST, "securitylayer", 2, False),
        (LST.replace("CurrentControlSet", "ControlSet001"), "UserAuthentication", 0, True),
        (rf"{known.SCHANNEL}\TLS 1.0\Server", "Enabled", 1, True),
        (rf"{known.SCHANNEL}\TLS 1.2\Server", "Enabled", 1, False),
        (known.CREDSSP, "AllowEncryptionOracle", 2, True),
        (known.CREDSSP, "AllowEncryptionOracle", 1, False),
        (rf"{POLICY_STORE}\StandardProfile", "EnableFirewall", 0, True),
        (rf"{GROUP_POLICY}\DomainProfile", "EnableFirewall", 0, True),
        (r"HKLM\SOFTWARE\Acme", "EnableFirewall", 0, False),
    ],
)
def test_what_lowers_security(key: str, value: str, data: int, lowers: bool) -> None:
    assert (known.lowered(key, value, data) is not None) is lowers


def test_what_waits_for_a_restart() -> None:
    assert known.needs_restart(LST, "PortNumber")
    assert not known.needs_restart(known.TS, "fDenyTSConnections")
    assert known.needs_restart(rf"{known.SERVICES}\TermService", "Start")
    assert not known.needs_restart(rf"{known.SERVICES}\Acme\Parameters", "Level")
    assert not known.needs_restart(r"HKLM\SOFTWARE\Acme", "Level")
