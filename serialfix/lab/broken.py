"""Named ways to break a guest, one for each symptom that a playbook cures (catalogue §1.1, §1.2).

Each leaves what the article's machine would have: values, entries, accounts, or the switch of a
service that does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from serialfix.lab import adapters, firewall
from serialfix.lab.disk import LICENCE_VALUES, RCM, Disk
from serialfix.lab.faults import Faults, ServiceFault
from serialfix.lab.licensing import KEY as KMS
from serialfix.lab.machine import RemoteSession
from serialfix.lab.profiles import (
    CONTROL,
    LST,
    POL,
    SERVICES,
    TS,
    dword,
    install_service,
    misconfigured_listener,
)
from serialfix.model import RegistryType, RegistryValue


LOCKED_ACCOUNT = "labadmin"
"""The account that `admin-disabled` disables, and `rdp-users` leaves out of the group."""
OTHER_SERVICE = "ContosoGw"
"""The service that takes Remote Desktop's port in `port-taken`."""
OLD_KMS = "kms.contoso.local"
_TLS = rf"{CONTROL}\SecurityProviders\SCHANNEL\Protocols"
_ORACLE = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters"
_GATEWAY = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\TerminalServerGateway\Config\Core"


class Breakable(Protocol):
    """What of a guest can be broken; before it is started."""

    disk: Disk
    faults: Faults
    sessions: list[RemoteSession]


Break = Callable[[Breakable], None]


def _values(key: str, **numbers: int) -> Break:
    def damage(guest: Breakable) -> None:
        for name, number in numbers.items():
            guest.disk.registry.set(key, name, dword(number))

    return damage


def _service(name: str, **numbers: int) -> Break:
    return _values(f"{SERVICES}\\{name}", **numbers)


def _fault(name: str, **switches: Any) -> Break:
    def damage(guest: Breakable) -> None:
        services = {**guest.faults.services, name: ServiceFault(**switches)}
        guest.faults = replace(guest.faults, services=services)

    return damage


def _bcd(entry: str, **elements: str) -> Break:
    def damage(guest: Breakable) -> None:
        bcd = guest.disk.bcd
        for name, data in elements.items():
            bcd.entries[bcd.resolve(entry)].set(name, [data])

    return damage


def _all(*parts: Break) -> Break:
    def damage(guest: Breakable) -> None:
        for part in parts:
            part(guest)

    return damage


def _rules(prefix: str, *, active: bool) -> Break:
    def damage(guest: Breakable) -> None:
        for rule in firewall.rules(guest.disk.registry):
            if rule.id.startswith(prefix):
                firewall.change(guest.disk.registry, rule, Active=str(active).upper())

    return damage


def _profiles(**numbers: int) -> Break:
    return _all(*(_values(rf"{firewall.POLICY}\{key}", **numbers) for key in _KEYS))


_KEYS = tuple(firewall.PROFILES.values())


def _stopped(guest: Breakable) -> None:
    guest.faults = replace(guest.faults, stopped_service=True)


def _wrong_account(service: str, account: str) -> Break:
    """A user whose password the service does not know: 1069. One of a domain is unknown, so
    `sc config` cannot give it back."""

    def damage(guest: Breakable) -> None:
        if account.startswith(".\\"):
            guest.disk.accounts.add(account[2:], "Lab-Passw0rd!!")
        value = RegistryValue(RegistryType.SZ, account)
        guest.disk.registry.set(f"{SERVICES}\\{service}", "ObjectName", value)

    return damage


def _licence_certificates(guest: Breakable) -> None:
    """Damaged: as long as they were, and nothing in them."""
    for name, length in LICENCE_VALUES.items():
        value = RegistryValue(RegistryType.BINARY, bytes(length))
        guest.disk.registry.set(RCM, name, value)


def _certificate(guest: Breakable) -> None:
    value = RegistryValue(RegistryType.BINARY, bytes.fromhex("00112233445566778899" * 2))
    guest.disk.registry.set(LST, "SSLCertificateSHA1Hash", value)


def _port_taken(guest: Breakable) -> None:
    registry = guest.disk.registry
    image = r"C:\Contoso\Gateway\gateway.exe"
    install_service(registry, OTHER_SERVICE, display="Contoso Gateway", image=image)
    registry.set(rf"{SERVICES}\{OTHER_SERVICE}\Parameters", "ListenPort", dword(3389))


def _static_address(guest: Breakable) -> None:
    """What somebody typed in: an address that the virtual network does not route."""
    nic = next(adapters.adapters(guest.disk.registry))
    nic.use_static("192.168.1.50", "255.255.255.0", "192.168.1.1")
    nic.use_dns(["192.168.1.1"])


def _no_nic(guest: Breakable) -> None:
    next(adapters.adapters(guest.disk.registry)).enable(False)


def _listener_values(guest: Breakable) -> None:
    misconfigured_listener(guest.disk.registry)


def _account(*, active: bool) -> Break:
    def damage(guest: Breakable) -> None:
        guest.disk.accounts.add(LOCKED_ACCOUNT, "Lab-Passw0rd!!", active=active)

    return damage


def _kms(guest: Breakable) -> None:
    """A server of the network the machine came from."""
    value = RegistryValue(RegistryType.SZ, OLD_KMS)
    guest.disk.registry.set(KMS, "KeyManagementServiceName", value)
    guest.disk.activated = False


def _no_kms(guest: Breakable) -> None:
    for name in ("KeyManagementServiceName", "KeyManagementServicePort"):
        guest.disk.registry.delete(KMS, name)
    guest.disk.activated = False


def _sessions(guest: Breakable) -> None:
    guest.sessions += [
        RemoteSession(2, "azureadmin", "Disc"),
        RemoteSession(3, LOCKED_ACCOUNT, "Active"),
    ]


def _tls_off(guest: Breakable) -> None:
    for version in ("1.0", "1.1", "1.2"):
        _values(rf"{_TLS}\TLS {version}\Server", Enabled=0, DisabledByDefault=1)(guest)


BROKEN: Mapping[str, Break] = MappingProxyType(
    {
        "listener": _listener_values,  # 4.1 rdp-reset
        "rdp-refused": _all(  # 4.2 rdp-general-error
            _values(
                TS,
                fDenyTSConnections=1,
                TSEnabled=0,
                TSServerDrainMode=1,
                TSUserEnabled=1,
            ),
            _values(LST, fEnableWinStation=0, fLogonDisabled=1),
        ),
        "rdp-refused-by-policy": _values(POL, fDenyTSConnections=1),
        "rdp-disabled": _all(  # 4.3
            _values(TS, fDenyTSConnections=1), _rules("RemoteDesktop-", active=False)
        ),
        "firewall-rule-off": _rules("RemoteDesktop-", active=False),  # 4.4
        "nla-required": _values(LST, UserAuthentication=1),  # 4.5 nla-off
        "nla-off": _all(  # 4.5 nla-on
            _values(LST, UserAuthentication=0), _values(rf"{CONTROL}\Lsa", disabledomaincreds=1)
        ),
        "encryption-level": _values(LST, MinEncryptionLevel=3),
        "fips": _all(  # 4.5 rdp-fips-off
            _values(rf"{CONTROL}\Lsa\FIPSAlgorithmPolicy", Enabled=1),
            _values(LST, MinEncryptionLevel=4),
        ),
        "domain-creds-refused": _values(rf"{CONTROL}\Lsa", disabledomaincreds=1),
        "termservice-disabled": _service("TermService", Start=4),  # 4.6
        "termservice-stopped": _stopped,
        "termservice-hung": _fault("TermService", start_code=1053, until={"Type": 16}),
        "termservice-crashes": _fault("TermService", start_code=1067, until={"Type": 16}),
        "termservice-slow": _fault("TermService", slow_start=20.0),
        "termservice-wrong-account": _wrong_account("TermService", r".\svc-rdp"),
        "termservice-lost-account": _wrong_account("TermService", r"CONTOSO\svc-rdp"),
        "termservice-denied": _all(
            _service("TermService", Start=4), _fault("TermService", denied=True)
        ),
        "port-moved": _values(LST, PortNumber=3390),  # 4.7
        "port-taken": _port_taken,
        "firewall-on": _all(  # 4.8: it is on, and nothing lets Remote Desktop in
            _profiles(EnableFirewall=1), _rules("RemoteDesktop-", active=False)
        ),
        "firewall-off": _profiles(EnableFirewall=0),  # 4.8 firewall-on
        "inbound-blocked": _profiles(DoNotAllowExceptions=1, DefaultInboundAction=1),  # 5.2
        "licence-certificates": _licence_certificates,  # 4.9
        "tls-off": _tls_off,  # 4.10
        "certificate": _certificate,  # 5.4: bound, and not in the store
        "credssp-oracle": _values(_ORACLE, AllowEncryptionOracle=0),  # 4.11
        "dhcp-off": _static_address,  # 4.12
        "nic-off": _no_nic,  # 4.13
        "safe-mode": _bcd("{default}", safeboot="minimal"),  # 4.14
        "safe-mode-network": _bcd("{default}", safeboot="network"),
        "dsrm": _bcd("{default}", safeboot="dsrepair"),  # 5.12
        "netlogon-stopped": _service("Netlogon", Start=4),  # 4.15
        "nsi-disabled": _service("NSI", Start=4),
        "session-limit": _all(  # 4.16
            _values(_GATEWAY, MaxConnections=1), _values(LST, MaxInstanceCount=2), _sessions
        ),
        "admin-disabled": _account(active=False),  # 4.17
        "agent-stopped": _all(  # 4.18
            _service("RdAgent", Start=3), _service("WindowsAzureGuestAgent", Start=3)
        ),
        "kms-wrong": _kms,  # 4.19
        "kms-missing": _no_kms,
        "boot-menu": _bcd("{bootmgr}", displaybootmenu="yes", timeout="30"),  # 4.20
        "dhcp-client-disabled": _service("Dhcp", Start=4),  # 5.1
        "dhcp-client-wrong-account": _wrong_account("Dhcp", r".\svc-net"),
        "gpsvc-off": _service("gpsvc", Start=4),  # 4.10 gpsvc-resume
        "licence-server": _values(rf"{RCM}\Licensing Core", LicensingMode=2),  # 5.6
        "rdp-users": _account(active=True),  # 5.9: not in the group
        "memory-dump": _values(rf"{CONTROL}\CrashControl", CrashDumpEnabled=3),  # 5.11
        "dotnet-64bit-off": _values(r"HKLM\SOFTWARE\Microsoft\.NETFramework", Enable64Bit=0),
        "windows-update-off": _values(  # 5.17
            r"HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU",
            NoAutoUpdate=1,
            AUOptions=3,
        ),
        "capi2-log-off": lambda guest: None,  # off is how Windows has it
    }
)
