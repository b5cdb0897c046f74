"""netsh advfirewall: profiles and rules; their state is read from the registry.

netsh prints and matches the translated names of rules (catalogue.md §4.4 F4), the registry holds
the same ids and words in every language.
"""

from __future__ import annotations

import re

from serialfix.model import RegistryValue
from serialfix.windows.shell import line, quoted


POLICY_STORE = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
GROUP_POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
RULES = rf"{POLICY_STORE}\FirewallRules"
PROFILES = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}

_INBOUND = {
    "block": "blockinbound",
    "allow": "allowinbound",
    "block_always": "blockinboundalways",
}
_ACTIVE = re.compile(r"(?:^|\|)Active=(TRUE|FALSE)(?=\||$)", re.IGNORECASE)


def profile_key(profile: str, *, root: str = POLICY_STORE) -> str:
    """The key of a profile: the local one, or with `root` that of the group policy."""
    return f"{root}\\{PROFILES[profile]}"


def set_profile_state(profile: str, *, enabled: bool) -> str:
    """Switch the firewall of a profile on or off."""
    return line(f"netsh advfirewall set {profile}profile state {'on' if enabled else 'off'}")


def set_profile_policy(profile: str, inbound: str, outbound: str) -> str:
    """Set what happens to connections that no rule names."""
    words = f"{_INBOUND[inbound]},{outbound}outbound"
    return line(f"netsh advfirewall set {profile}profile firewallpolicy {words}")


def set_rule(name: str, *, enabled: bool) -> str:
    """Switch a rule by its displayed name, which is translated; exit code 1 when there is none."""
    word = "yes" if enabled else "no"
    return line(f"netsh advfirewall firewall set rule name={quoted(name)} new enable={word}")


def set_rule_by_id(rule: str, *, enabled: bool) -> str:
    """Switch a rule by its id, in any language; PowerShell takes seconds to start."""
    return line(
        "powershell -NoProfile -NonInteractive -Command "
        f'"Set-NetFirewallRule -Name {rule} -Enabled {enabled}"'
    )


def rule_enabled(value: RegistryValue) -> bool | None:
    """Whether the text of a rule says that it is active; None when it does not say."""
    match = _ACTIVE.search(str(value.data))
    return match[1].upper() == "TRUE" if match else None


def with_rule_enabled(value: RegistryValue, *, enabled: bool) -> RegistryValue:
    """The text of a rule with only what stands behind `Active=` changed (catalogue.md §4.4 F3)."""
    match = _ACTIVE.search(str(value.data))
    if match is None:
        return value
    text = str(value.data)
    return RegistryValue(
        value.type, f"{text[: match.start(1)]}{str(enabled).upper()}{text[match.end(1) :]}"
    )


def profile_enabled(value: RegistryValue | None) -> bool:
    """EnableFirewall; the firewall is on where nothing is stored."""
    return value is None or value.data != 0


def inbound_policy(exceptions: RegistryValue | None, action: RegistryValue | None) -> str:
    """`block_always`, `block` (also where nothing is stored) or `allow`, from
    DoNotAllowExceptions and DefaultInboundAction."""
    if exceptions is not None and exceptions.data == 1:
        return "block_always"
    return "allow" if action is not None and action.data == 0 else "block"


def outbound_policy(action: RegistryValue | None) -> str:
    """`allow` (also where nothing is stored) or `block`, from DefaultOutboundAction."""
    return "block" if action is not None and action.data == 1 else "allow"
