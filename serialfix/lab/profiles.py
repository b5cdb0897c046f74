"""What a Windows of some version is, as data: its names, its renderer, its registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from serialfix.lab.defaults import SERVICES as SERVICE_TABLE
from serialfix.lab.defaults import VALUES
from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue


Renderer = Literal["scraper", "conpty"]
Language = Literal["en", "fr", "nl", "de", "ja"]
Program = Literal["builtin", "wine"]

LST = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp"
TS = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
CHANNELS = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WINEVT\Channels"
CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control"
NT = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_SHORT = {
    "LST": LST,
    "TS": TS,
    "CHANNELS": CHANNELS,
    "CONTROL": CONTROL,
    "LSA": rf"{CONTROL}\Lsa",
    "NT": NT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One Windows version as its serial port shows it (sac.md §2.1, §5, §6.2)."""

    name: str
    product: str
    build: int
    revision: int
    year: str
    """In the copyright line; newer ones have none."""
    renderer: Renderer
    folder: str = r"C:\Windows\system32"
    """Where cmd.exe starts: the spelling differs between versions."""
    query_shows_typed_name: bool = False
    """`reg query /v` prints the name as typed, else as stored: unknown (§9), so both occur."""

    @property
    def version(self) -> str:
        """As `ver` prints it."""
        return f"10.0.{self.build}.{self.revision}"


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                name="ws2016",
                product="Windows Server 2016 Datacenter",
                build=14393,
                revision=6614,
                year="2016 ",
                renderer="scraper",
                query_shows_typed_name=True,
            ),
            Profile(
                name="ws2019",
                product="Windows Server 2019 Datacenter",
                build=17763,
                revision=5329,
                year="2018 ",
                renderer="scraper",
            ),
            Profile(
                name="ws2022",
                product="Windows Server 2022 Datacenter Azure Edition",
                build=20348,
                revision=2227,
                year="",
                renderer="conpty",
            ),
            Profile(
                name="ws2025",
                product="Windows Server 2025 Datacenter",
                build=26100,
                revision=1742,
                year="",
                renderer="conpty",
                folder=r"C:\Windows\System32",
                query_shows_typed_name=True,
            ),
        )
    }
)

TRIGGERED = frozenset({"termservice", "umrdpservice", "sessionenv", "sacsvr"})
"""Services that are started on demand and therefore run after every boot."""


def _value(kind: str, text: str) -> RegistryValue:
    match kind:
        case "DWORD":
            return dword(int(text))
        case "REG_QWORD":
            return RegistryValue(RegistryType.QWORD, int(text))
        case "REG_BINARY":
            return RegistryValue(RegistryType.BINARY, bytes.fromhex(text))
        case "REG_MULTI_SZ":
            return RegistryValue(RegistryType.MULTI_SZ, tuple(text.split(",")))
        case _:
            return RegistryValue(RegistryType(kind), text)


def dword(number: int) -> RegistryValue:
    """A REG_DWORD."""
    return RegistryValue(RegistryType.DWORD, number)


def default_registry(profile: Profile, computer: str) -> Registry:
    """The registry of a healthy server: no Terminal Services policy, the listener's defaults."""
    registry = Registry()
    registry.set(r"HKLM\SYSTEM\Select", "Current", dword(1))
    registry.set(r"HKLM\SYSTEM\Select", "Default", dword(1))
    path = ""
    for line in VALUES.strip().splitlines():
        if line.startswith("["):
            root, _, rest = line[1:-1].partition("\\")
            path = "\\".join(part for part in (_SHORT.get(root, root), rest) if part)
            registry.key(path, create=True)
        else:
            name, kind, data = line.split("|")
            registry.set(path, name, _value(kind, data))
    text = RegistryType.SZ
    registry.set(NT, "ProductName", RegistryValue(text, profile.product))
    registry.set(NT, "CurrentBuild", RegistryValue(text, str(profile.build)))
    name = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName"
    registry.set(name, "ComputerName", RegistryValue(text, computer))
    for line in SERVICE_TABLE.replace("|\n  ", "|").strip().splitlines():
        service, display, start, kind, account, needs, image = line.split("|")
        install_service(
            registry,
            service,
            display=display,
            image=image if ":" in image else rf"%SystemRoot%\System32\svchost.exe -k {image}",
            start=int(start),
            kind=int(kind),
            account=account,
            needs=tuple(needs.split(",")) if needs else (),
        )
    registry.set(f"{SERVICES}\\sacdrv", "Start", dword(0))
    return registry


def install_service(
    registry: Registry,
    name: str,
    *,
    display: str,
    image: str,
    start: int = 2,
    kind: int = 16,
    account: str = "LocalSystem",
    needs: tuple[str, ...] = (),
) -> None:
    """The key of a service; `start` and `kind` as in Start and Type (catalogue §3.6)."""
    key = f"{SERVICES}\\{name}"
    registry.set(key, "DisplayName", RegistryValue(RegistryType.SZ, display))
    registry.set(key, "ErrorControl", dword(1))
    registry.set(key, "ImagePath", RegistryValue(RegistryType.EXPAND_SZ, image))
    registry.set(key, "ObjectName", RegistryValue(RegistryType.SZ, account))
    registry.set(key, "Start", dword(start))
    registry.set(key, "Type", dword(kind))
    if needs:
        registry.set(key, "DependOnService", RegistryValue(RegistryType.MULTI_SZ, needs))


def misconfigured_listener(registry: Registry) -> None:
    """Make the listener as broken as the article's custom image: some values wrong, some absent."""
    for name, number in {
        "KeepAliveTimeout": 0,
        "MinEncryptionLevel": 4,
        "SecurityLayer": 2,
        "fInheritReconnectSame": 1,
        "fReconnectSame": 0,
        "fInheritMaxSessionTime": 0,
        "fInheritMaxDisconnectionTime": 0,
        "MaxDisconnectionTime": 60_000,
        "MaxConnectionTime": 300_000,
        "MaxIdleTime": 120_000,
        "MaxInstanceCount": 2,
    }.items():
        registry.set(LST, name, dword(number))
    for name in ("fQueryUserConfigFromLocalMachine", "fInheritMaxIdleTime"):
        registry.delete(LST, name)
    registry.delete_key(POL)
