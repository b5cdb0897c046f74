from __future__ import annotations

from serialfix.lab.profiles import (
    LST,
    POL,
    PROFILES,
    SERVICES,
    TS,
    default_registry,
    dword,
    misconfigured_listener,
)
from serialfix.model import RegistryType, RegistryValue


# catalogue.md §4.1, the article's 16 writes
ARTICLE = {
    (LST, "SecurityLayer"): 0,
    (LST, "MinEncryptionLevel"): 1,
    (LST, "fQueryUserConfigFromLocalMachine"): 1,
    (LST, "KeepAliveTimeout"): 1,
    (POL, "KeepAliveEnable"): 1,
    (POL, "KeepAliveInterval"): 1,
    (LST, "fInheritReconnectSame"): 0,
    (LST, "fReconnectSame"): 1,
    (POL, "fDisableAutoReconnect"): 0,
    (LST, "fInheritMaxSessionTime"): 1,
    (LST, "fInheritMaxDisconnectionTime"): 1,
    (LST, "MaxDisconnectionTime"): 0,
    (LST, "MaxConnectionTime"): 0,
    (LST, "fInheritMaxIdleTime"): 1,
    (LST, "MaxIdleTime"): 0,
    (LST, "MaxInstanceCount"): 0xFFFFFFFF,
}


def test_a_healthy_listener_has_the_defaults_and_more_than_a_screen() -> None:
    registry = default_registry(PROFILES["ws2019"], "X")
    key = registry.key(LST)
    assert key is not None
    assert len(key.values) > 40
    assert key.keys
    assert registry.get(LST, "SecurityLayer") == dword(2)
    assert registry.get(LST, "PortNumber") == dword(3389)
    assert registry.get(LST, "WdName") == RegistryValue(RegistryType.SZ, "Microsoft RDP 8.0")
    assert registry.get(TS, "RCDependentServices") == RegistryValue(
        RegistryType.MULTI_SZ, ("CertPropSvc", "SessionEnv")
    )
    assert registry.key(POL) is None
    assert registry.get(f"{SERVICES}\\TermService", "Start") == dword(3)
    assert registry.get(r"HKLM\SYSTEM\ControlSet001\Services\Dhcp", "Start") == dword(2)


def test_a_misconfigured_listener_lacks_each_of_the_values_of_the_article() -> None:
    registry = default_registry(PROFILES["ws2022"], "X")
    misconfigured_listener(registry)
    found = {place: registry.get(*place) for place in ARTICLE}
    assert not [place for place, number in ARTICLE.items() if found[place] == dword(number)]
    assert {place[1] for place, value in found.items() if value is None} == {
        "KeepAliveEnable",
        "KeepAliveInterval",
        "fDisableAutoReconnect",
        "fInheritMaxIdleTime",
        "fQueryUserConfigFromLocalMachine",
    }


def test_older_versions_are_scraped() -> None:
    renderers = {name: profile.renderer for name, profile in PROFILES.items()}
    assert renderers == {
        "ws2016": "scraper",
        "ws2019": "scraper",
        "ws2022": "conpty",
        "ws2025": "conpty",
    }
    assert PROFILES["ws2025"].version == "10.0.26100.1742"
