"""What is known of registry values that documents change: how their keys are spelled, which policy
overrides them, what they lower in security, when they take effect (catalogue.md §3.5, §4, §6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from serialfix.windows.firewall import GROUP_POLICY, POLICY_STORE, PROFILES, RULES


TS = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
LST = TS + r"\WinStations\RDP-Tcp"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
SCHANNEL = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LSA = r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa"
CREDSSP = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"

_SPELLED = (
    *(
        LST,
        TS + r"\RCM\Licensing Core",
        TS + r"\RCM\GracePeriod",
        POL,
        LSA + r"\Kerberos\Parameters",
    ),
    *(
        LSA + r"\FIPSAlgorithmPolicy",
        CREDSSP,
        r"HKLM\SYSTEM\CurrentControlSet\Control\CrashControl",
    ),
    *(rf"{POLICY_STORE}\{profile}" for profile in PROFILES.values()),
    *(RULES, GROUP_POLICY + r"\DomainProfile"),
    *(rf"{SCHANNEL}\{version}\Server" for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "SSL 3.0")),
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\TerminalServerGateway\Config\Core",
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList",
    r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU",
    SERVICES + r"\TermService\Parameters\LicenseServers",
    SERVICES + r"\NTDS\Parameters",
)


def _tree() -> Mapping[str, str]:
    """Every known part of a key by its lower-cased path up to there."""
    tree = {}
    for key in _SPELLED:
        parts = key.split("\\")
        for depth in range(1, len(parts) + 1):
            tree["\\".join(parts[:depth]).lower()] = parts[depth - 1]
    return tree


_TREE = _tree()
_HIVES = {
    "hkey_local_machine": "HKLM",
    "hklm:": "HKLM",
    "hkey_users": "HKU",
    "hku:": "HKU",
    "hkey_classes_root": "HKCR",
    "hkey_current_user": "HKCU",
    "hkcu:": "HKCU",
    "hkey_current_config": "HKCC",
    r"registry::hkey_local_machine": "HKLM",
}
CONTROL_SET = re.compile(r"(?i)(?<=\\)ControlSet00[1-9x](?=\\|$)")
_LOADED = re.compile(
    r"(?i)^(?:HKLM|HKU)\\(?=\w*(?:broken|repair|offline|temp|mounted|rescue|old))\w*?"
    r"(?P<hive>SYSTEM|SOFTWARE|SAM|SECURITY)\w*(?=\\|$)"
)
_ANY_SET = re.compile(r"(?i)^(HK\w+)\\(?!SYSTEM\\)([^\\]+)\\(?=ControlSet00)")


def spelled(key: str) -> str:
    r"""The key with the short name of its hive, and known parts as Windows spells them.

    >>> spelled("HKEY_LOCAL_MACHINE\\system\\CurrentControlSet\\control\\terminal server\\Acme")
    'HKLM\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\Acme'
    """
    hive, _, path = key.strip().strip("\\").partition("\\")
    hive = _HIVES.get(hive.lower(), hive.upper().rstrip(":"))
    parts = [hive, *path.split("\\")] if path else [hive]
    known, grown = parts[:1], hive.lower()
    for part in parts[1:]:
        grown += "\\" + part.lower()
        known.append(_TREE.get(grown, part))
    return "\\".join(known)


def loaded_hive(key: str) -> str | None:
    """`SYSTEM` or `SOFTWARE` when the key lies in a loaded hive, or in a numbered control set."""
    if found := _LOADED.match(spelled(key)):
        return found["hive"].upper()
    return "SYSTEM" if _ANY_SET.match(spelled(key)) else None


def online(key: str) -> str:
    r"""The key of the running Windows that this one, of a loaded hive, is the twin of.

    >>> online("HKLM\\BROKENSYSTEM\\ControlSet002\\control\\Lsa")
    'HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa'
    """
    key = spelled(key)
    if (hive := loaded_hive(key)) is not None:
        parts = key.split("\\")
        key = "\\".join(("HKLM", hive, *parts[2:]))
    return spelled(CONTROL_SET.sub("CurrentControlSet", key))


_TWINS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    TS.lower(): (POL, ("fDenyTSConnections", "fSingleSessionPerUser")),
    LST.lower(): (
        POL,
        (
            *("SecurityLayer", "MinEncryptionLevel", "UserAuthentication", "fReconnectSame"),
            *("fResetBroken", "MaxConnectionTime", "MaxDisconnectionTime", "MaxIdleTime"),
            *("MaxInstanceCount", "fPromptForPassword", "Shadow"),
        ),
    ),
    (TS + r"\RCM\Licensing Core").lower(): (POL, ("LicensingMode",)),
    **{
        f"{POLICY_STORE}\\{profile}".lower(): (
            f"{GROUP_POLICY}\\{profile}",
            ("EnableFirewall", "DoNotAllowExceptions"),
        )
        for profile in PROFILES.values()
    },
}


def policy_twin(key: str, value: str) -> str | None:
    """The policy key that overrides a value; None when there is none."""
    twin, values = _TWINS.get(online(key).lower(), ("", ()))
    return twin if value.lower() in map(str.lower, values) else None


def overrides_local(key: str, value: str) -> bool:
    """The value is a policy that has a local twin: it is only to be changed where it exists."""
    low = online(key).lower()
    return any(
        low == twin.lower() and value.lower() in map(str.lower, values)
        for twin, values in _TWINS.values()
    )


@dataclass(frozen=True, slots=True)
class Lowered:
    """A value whose data makes the guest easier to attack, and how."""

    key: re.Pattern[str]
    value: str
    data: tuple[int, ...]
    why: str


def _below(key: str, rest: str = "") -> re.Pattern[str]:
    return re.compile(re.escape(key) + rest + "$", re.IGNORECASE)


LOWERED = (
    Lowered(_below(LST), "SecurityLayer", (0,), "SecurityLayer 0 switches TLS off."),
    Lowered(_below(POL), "SecurityLayer", (0,), "SecurityLayer 0 switches TLS off, as a policy."),
    Lowered(
        _below(LST),
        "MinEncryptionLevel",
        (1,),
        "MinEncryptionLevel 1 accepts the weakest encryption.",
    ),
    Lowered(
        _below(LST),
        "UserAuthentication",
        (0,),
        "UserAuthentication 0 switches Network Level Authentication off.",
    ),
    Lowered(
        _below(POL),
        "UserAuthentication",
        (0,),
        "UserAuthentication 0 switches Network Level Authentication off, as a policy.",
    ),
    Lowered(
        _below(LST),
        "fAllowSecProtocolNegotiation",
        (0,),
        "fAllowSecProtocolNegotiation 0 forbids to agree on TLS or NLA.",
    ),
    Lowered(
        re.compile(
            r"(?i).*\\(?:FirewallPolicy|WindowsFirewall)\\(?:Domain|Public|Standard)Profile$"
        ),
        "EnableFirewall",
        (0,),
        "EnableFirewall 0 switches the guest's firewall off, until it is switched on again.",
    ),
    Lowered(
        _below(CREDSSP),
        "AllowEncryptionOracle",
        (2,),
        "AllowEncryptionOracle 2 admits clients that lack the CredSSP update.",
    ),
    Lowered(
        _below(SCHANNEL, r"\\(?:TLS 1\.[01]|SSL [23]\.0|PCT 1\.0)\\(?:Server|Client)"),
        "Enabled",
        (1, 0xFFFFFFFF),
        "Enabled 1 admits a version of TLS or SSL that is not secure any more.",
    ),
    Lowered(
        _below(LSA, r"\\FIPSAlgorithmPolicy"),
        "Enabled",
        (0,),
        "Enabled 0 drops the demand for FIPS algorithms.",
    ),
    Lowered(
        _below(LSA),
        "disabledomaincreds",
        (0,),
        "disabledomaincreds 0 lets the guest keep the passwords of domain users.",
    ),
    Lowered(
        _below(LSA),
        "LmCompatibilityLevel",
        (0, 1, 2),
        "LmCompatibilityLevel below 3 sends LM and NTLM answers.",
    ),
    Lowered(
        re.compile(r"(?i).*\\WindowsUpdate\\AU$"),
        "NoAutoUpdate",
        (1,),
        "NoAutoUpdate 1 switches updates off.",
    ),
)


def lowered(key: str, value: str, data: object) -> str | None:
    """What a value lowers in security; None when nothing is known."""
    low = online(key)
    return next(
        (
            entry.why
            for entry in LOWERED
            if entry.value.lower() == value.lower() and data in entry.data and entry.key.match(low)
        ),
        None,
    )


_AT_ONCE = {
    (TS.lower(), "fdenytsconnections"),
    (TS.lower(), "tsserverdrainmode"),
    (CREDSSP.lower(), "allowencryptionoracle"),
    (LSA.lower(), "disabledomaincreds"),
}
_AT_RESTART = re.compile(
    "(?i)"
    + "|".join(
        re.escape(key) + r"(?:\\|$)"
        for key in (
            *(TS, SCHANNEL, LSA, POL, r"HKLM\SYSTEM\CurrentControlSet\Control\CrashControl"),
            *(POLICY_STORE, r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager"),
            r"HKLM\SOFTWARE\Microsoft\.NETFramework",
            r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\TerminalServerGateway",
        )
    )
)
_SERVICE_START = re.compile(
    re.escape(SERVICES) + r"\\[^\\]+$|" + re.escape(SERVICES) + r"\\TermService\\", re.IGNORECASE
)


def needs_restart(key: str, value: str) -> bool:
    """Whether a value takes effect only when the service, or the VM, starts anew."""
    low = online(key)
    if (low.lower(), value.lower()) in _AT_ONCE:
        return False
    return bool(_AT_RESTART.match(low) or _SERVICE_START.match(low))
