"""What a command line may stand for: a wanted end, a restart, nothing, or not understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serialfix.playbook import known
from serialfix.windows import shell


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step in the making: its kind, the keys of that kind, and a name for it."""

    kind: str
    body: dict[str, Any]
    id: str

    @property
    def end(self) -> tuple[str, ...]:
        """What it is about; two steps with one end are one step."""
        names = {
            "registry": ("key", "value"),
            "service": ("name",),
            "firewall_rule": ("rule",),
            "firewall_profile": ("profiles",),
            "bcd": ("entry", "element"),
            "network": ("interface",),
            "account": ("name", "member_of"),
            "look": ("command",),
        }[self.kind]
        facet = "enabled" if self.kind == "network" and "enabled" in self.body else ""
        return (self.kind + facet, *(str(self.body.get(name, "")).lower() for name in names))


@dataclass(frozen=True, slots=True)
class Restart:
    """The guest restarts here."""


@dataclass(frozen=True, slots=True)
class NoStep:
    """Nothing to do: serialfix does it anyway, or it only opens and leaves shells."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not understood."""

    why: str


Result = Wanted | Restart | NoStep | Unknown
NO_KIND = Unknown("no kind of step says this")
NOT_A_KEY = Unknown("the key is not spelled in full")

# The ids of rules that articles name in English (catalogue.md §4.4).
RULE_IDS: Mapping[str, str] = {
    "remote desktop - user mode (tcp-in)": "RemoteDesktop-UserMode-In-TCP",
    "remote desktop - user mode (udp-in)": "RemoteDesktop-UserMode-In-UDP",
    "remote desktop - shadow (tcp-in)": "RemoteDesktop-Shadow-In-TCP",
    "windows remote management (http-in)": "WINRM-HTTP-In-TCP",
    "file and printer sharing (smb-in)": "FPS-SMB-In-TCP",
    "file and printer sharing (echo request - icmpv4-in)": "FPS-ICMP4-ERQ-In",
}
_RULE_NAMES = {
    "RemoteDesktop-UserMode-In-TCP": "Remote Desktop - User Mode (TCP-In)",
    "RemoteDesktop-UserMode-In-UDP": "Remote Desktop - User Mode (UDP-In)",
    "RemoteDesktop-Shadow-In-TCP": "Remote Desktop - Shadow (TCP-In)",
}
_GROUPS = {"remote desktop": tuple(_RULE_NAMES), "@firewallapi.dll,-28752": tuple(_RULE_NAMES)}
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
PLACEHOLDER = re.compile(r"<[^<>]+>|\$\{\w+\}")


def kebab(name: str) -> str:
    """A name as an id: `fDenyTSConnections` is deny-ts-connections.

    >>> kebab("SSLCertificateSHA1Hash"), kebab("fInheritMaxIdleTime")
    ('ssl-certificate-sha1-hash', 'inherit-max-idle-time')
    """
    name = re.sub(r"^f(?=[A-Z])", "", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "step"


def look(command: str, name: str = "") -> Result:
    """A command that changes nothing, unless it asks."""
    command = command.strip()
    if (why := shell.question(command)) is not None:
        return Unknown(why)
    return Wanted("look", {"command": command}, name or f"look-{kebab(command.split()[0])}")


def registry(key: str, value: str, kind: str, data: str | None) -> Result:
    """A value that is to be there."""
    key = known.spelled(key)
    if not re.match(r"(?:HKLM|HKU|HKCR|HKCC)\\", key):
        whose = Unknown("HKCU is whoever logs in on the console")
        return whose if key.startswith("HKCU") else NOT_A_KEY
    body: dict[str, Any] = {"key": key, "value": value.strip(), "type": kind.upper()}
    try:
        body["data"] = _typed(kind.upper(), data or "")
    except ValueError:
        return Unknown(f"{data} is no data of {kind}")
    if twin := known.policy_twin(key, value):
        body["policy_twin"] = twin
    if known.overrides_local(key, value):
        body["only_if_present"] = True
    return Wanted("registry", body, kebab(value))


def _typed(kind: str, data: str) -> Any:
    match kind:
        case "REG_DWORD" | "REG_QWORD":
            if PLACEHOLDER.fullmatch(data):
                return data
            return int(data or "0", 16 if data[:2].lower() == "0x" else 10)
        case "REG_MULTI_SZ":
            return [item for item in data.split("\\0") if item]
        case "REG_EXPAND_SZ":
            return re.sub(r"\^%|%%", "%", data)
        case "REG_BINARY" | "REG_NONE":
            if PLACEHOLDER.search(data):
                return data
            return bytes.fromhex(data).hex()
        case "REG_SZ":
            return data
        case _:
            raise ValueError(kind)


def absent(key: str, value: str) -> Result:
    """A value that is not to be there."""
    body = {"key": known.spelled(key), "value": value.strip(), "state": "absent"}
    return Wanted("registry", body, f"no-{kebab(value)}")


def service(name: str, **body: Any) -> Result:
    """Something that a service is to be, or to do."""
    if not _SLUG.fullmatch(name) and not PLACEHOLDER.fullmatch(name):
        return Unknown(f"{name!r} is the displayed name of a service, which is translated")
    return Wanted("service", {"name": name, **body}, kebab(name))


def rules(name: str | None, group: str | None, enabled: bool) -> Iterator[Result]:
    """Rules by their English name or group, or by their id."""
    if group is not None:
        ids = _GROUPS.get(group.lower(), ())
        if not ids:
            yield Unknown(f"the rules of the group {group} are not known")
        for rule in ids:
            yield _rule(rule, _RULE_NAMES[rule], enabled)
    elif name is not None and name.lower() in RULE_IDS:
        yield _rule(RULE_IDS[name.lower()], name, enabled)
    elif name is not None and re.fullmatch(r"[\w]+-[\w-]+", name):
        yield _rule(name, _RULE_NAMES.get(name), enabled)
    elif name is not None:
        yield Unknown(f"the id of the rule {name} is not known")


def _rule(rule: str, name: str | None, enabled: bool) -> Result:
    body: dict[str, Any] = {"rule": rule, **({"name": name} if name else {}), "enabled": enabled}
    return Wanted("firewall_rule", body, kebab(rule.replace("RemoteDesktop", "Remote-Desktop")))
