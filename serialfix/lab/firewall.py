"""Windows Defender Firewall as the registry holds it: profiles and rules (catalogue §4.4, §4.8).

netsh and PowerShell work on this. Names are indirect texts (`@FirewallAPI.dll,-28775`), which
Windows shows in the display language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from serialfix.lab.errortexts import Row
from serialfix.lab.profiles import SERVICES, Profile, dword
from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue


POLICY = rf"{SERVICES}\SharedAccess\Parameters\FirewallPolicy"
RULES = rf"{POLICY}\FirewallRules"
GROUP_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
PROFILES: Mapping[str, str] = MappingProxyType(
    {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
)
# What a profile does when a value is absent: fresh machines have only EnableFirewall.
DEFAULTS: Mapping[str, int] = MappingProxyType(
    {"DefaultInboundAction": 1, "DefaultOutboundAction": 0, "DoNotAllowExceptions": 0}
)
_SCHEMA = {14393: "v2.26", 17763: "v2.30", 20348: "v2.31", 26100: "v2.33"}
_DLL = "@FirewallAPI.dll"

RESOURCES: Mapping[int, Row] = MappingProxyType(
    {
        28752: (
            "Remote Desktop",
            "Bureau à distance",
            "Extern bureaublad",
            "Remotedesktop",
            "リモート デスクトップ",
        ),
        28775: (
            "Remote Desktop - User Mode (TCP-In)",
            "Bureau à distance - Mode utilisateur (TCP-Entrée)",
            "Extern bureaublad - Gebruikersmodus (TCP-In)",
            "Remotedesktop - Benutzermodus (TCP eingehend)",
            "リモート デスクトップ - ユーザー モード (TCP 受信)",
        ),
        28776: (
            "Remote Desktop - User Mode (UDP-In)",
            "Bureau à distance - Mode utilisateur (UDP-Entrée)",
            "Extern bureaublad - Gebruikersmodus (UDP-In)",
            "Remotedesktop - Benutzermodus (UDP eingehend)",
            "リモート デスクトップ - ユーザー モード (UDP 受信)",
        ),
        28778: (
            "Remote Desktop - Shadow (TCP-In)",
            "Bureau à distance - Shadow (TCP-Entrée)",
            "Extern bureaublad - Schaduw (TCP-In)",
            "Remotedesktop - Schatten (TCP eingehend)",
            "リモート デスクトップ - シャドウ (TCP 受信)",
        ),
        28502: (
            "File and Printer Sharing",
            "Partage de fichiers et d’imprimantes",
            "Bestands- en printerdeling",
            "Datei- und Druckerfreigabe",
            "ファイルとプリンターの共有",
        ),
        28511: (
            "File and Printer Sharing (SMB-In)",
            "Partage de fichiers et d’imprimantes (SMB-Entrée)",
            "Bestands- en printerdeling (SMB-In)",
            "Datei- und Druckerfreigabe (SMB eingehend)",
            "ファイルとプリンターの共有 (SMB 受信)",
        ),
        28543: (
            "File and Printer Sharing (Echo Request - ICMPv4-In)",
            "Partage de fichiers et d’imprimantes (Demande d’écho - Trafic entrant ICMPv4)",
            "Bestands- en printerdeling (echoaanvraag - ICMPv4-In)",
            "Datei- und Druckerfreigabe (Echoanforderung - ICMPv4 eingehend)",
            "ファイルとプリンターの共有 (エコー要求 - ICMPv4 受信)",
        ),
        30267: (
            "Windows Remote Management",
            "Gestion à distance de Windows",
            "Extern beheer van Windows",
            "Windows-Remoteverwaltung",
            "Windows リモート管理",
        ),
        30253: (
            "Windows Remote Management (HTTP-In)",
            "Gestion à distance de Windows (HTTP-Entrée)",
            "Extern beheer van Windows (HTTP-In)",
            "Windows-Remoteverwaltung (HTTP eingehend)",
            "Windows リモート管理 (HTTP 受信)",
        ),
    }
)
# id | active | rest of the rule | name | description | group
_RULES = """
RemoteDesktop-UserMode-In-TCP|TRUE|Protocol=6|LPort=3389|SVCHOST|Svc=termservice|28775|28756|28752
RemoteDesktop-UserMode-In-UDP|TRUE|Protocol=17|LPort=3389|SVCHOST|Svc=termservice|28776|28777|28752
RemoteDesktop-Shadow-In-TCP|TRUE|Protocol=6|SHADOW|28778|28779|28752
WINRM-HTTP-In-TCP|TRUE|Protocol=6|LPort=5985|App=System|30253|30256|30267
FPS-SMB-In-TCP|FALSE|Protocol=6|LPort=445|App=System|28511|28514|28502
FPS-ICMP4-ERQ-In|FALSE|Protocol=1|ICMP4=8:*|28543|28547|28502
"""
_SHORT = {
    "SVCHOST": r"App=%SystemRoot%\system32\svchost.exe",
    "SHADOW": r"App=%SystemRoot%\system32\RdpSa.exe",
}


def install(registry: Registry, profile: Profile) -> None:
    """The firewall of a fresh server on Azure: on, Remote Desktop let in."""
    for name in PROFILES.values():
        registry.set(f"{POLICY}\\{name}", "EnableFirewall", dword(1))
        registry.set(f"{POLICY}\\{name}", "DisableNotifications", dword(1))
    for line in _RULES.strip().splitlines():
        rule, active, *more, name, about, group = line.split("|")
        parts = [
            _SCHEMA.get(profile.build, "v2.30"),
            "Action=Allow",
            f"Active={active}",
            "Dir=In",
            *(_SHORT.get(part, part) for part in more),
            *(f"{key}={_DLL},-{number}" for key, number in (("Name", name), ("Desc", about))),
            f"EmbedCtxt={_DLL},-{group}",
        ]
        registry.set(RULES, rule, RegistryValue(RegistryType.SZ, "|".join(parts) + "|"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its id is the name of the value."""

    id: str
    text: str

    def field(self, name: str) -> str:
        """`Protocol`, `LPort`, ...; "" when the rule does not say."""
        for part in self.text.split("|"):
            key, equals, value = part.partition("=")
            if equals and key == name:
                return value
        return ""

    @property
    def active(self) -> bool:
        """Whether it is enabled."""
        return self.field("Active") == "TRUE"

    def shown(self, name: str, language: int) -> str:
        """A field as Windows shows it: indirect texts in the language (its place in a Row)."""
        text = self.field(name)
        number = text.removeprefix(f"{_DLL},-")
        known = text != number and number.isdigit() and int(number) in RESOURCES
        return RESOURCES[int(number)][language] if known else text

    def named(self, name: str, language: int) -> bool:
        """Whether netsh finds it by that name: the displayed one, in any case."""
        return name.lower() in ("all", self.shown("Name", language).lower())

    def grouped(self, group: str, language: int) -> bool:
        """Whether it is in that group, displayed name or `@FirewallAPI.dll,-28752`."""
        own = self.field("EmbedCtxt")
        return own != "" and group.lower() in (
            own.lower(),
            self.shown("EmbedCtxt", language).lower(),
        )


def rules(registry: Registry) -> Iterator[Rule]:
    """All rules of the local store."""
    key = registry.key(RULES)
    for name, value in list(key.values.values()) if key else ():
        if isinstance(value.data, str):
            yield Rule(name, value.data)


def change(registry: Registry, rule: Rule, **fields: str) -> None:
    """Write fields of a rule; the others stay as they are."""
    parts = rule.text.rstrip("|").split("|")
    for key, value in fields.items():
        places = [place for place, part in enumerate(parts) if part.startswith(f"{key}=")]
        if places:
            parts[places[0]] = f"{key}={value}"
        else:
            parts.append(f"{key}={value}")
    registry.set(RULES, rule.id, RegistryValue(RegistryType.SZ, "|".join(parts) + "|"))


def setting(registry: Registry, profile: str, name: str) -> int:
    """What counts for a profile: the group policy's value, the local one, the default."""
    for root in (GROUP_POLICY, POLICY):
        value = registry.get(f"{root}\\{PROFILES[profile]}", name)
        if value is not None and isinstance(value.data, int):
            return value.data
    return DEFAULTS.get(name, 1)


def snapshot(registry: Registry) -> dict[str, dict[str, int]]:
    """The local policy by profile: a default written out is no change."""
    names = ("EnableFirewall", *DEFAULTS)
    found: dict[str, dict[str, int]] = {}
    for profile, key in PROFILES.items():
        values = {name: registry.get(f"{POLICY}\\{key}", name) for name in names}
        found[profile] = {
            name: value.data
            if value is not None and isinstance(value.data, int)
            else DEFAULTS.get(name, 1)
            for name, value in values.items()
        }
    return found
