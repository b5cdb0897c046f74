"""Network adapters as the registry holds them: names, addresses, enabled or not (§4.12, §4.13)."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from serialfix.lab.profiles import CONTROL, SERVICES, Language, dword
from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue


NETWORK = rf"{CONTROL}\Network\{{4D36E972-E325-11CE-BFC1-08002BE10318}}"
INTERFACES = rf"{SERVICES}\Tcpip\Parameters\Interfaces"
ENUM = r"HKLM\SYSTEM\CurrentControlSet\Enum"
_VMBUS = r"VMBUS\{f8615163-df3e-46c5-913f-f2d2f965ed0e}"
_DISABLED = 1  # CONFIGFLAG_DISABLED
DHCP_SERVER = "168.63.129.16"
NAMES: Mapping[Language, str] = MappingProxyType({"ja": "イーサネット"})
LOOPBACK = "Loopback Pseudo-Interface 1"


def _texts(*parts: str) -> RegistryValue:
    return RegistryValue(RegistryType.MULTI_SZ, parts)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One NIC, by its GUID."""

    registry: Registry
    guid: str
    place: int

    @property
    def _key(self) -> str:
        return f"{INTERFACES}\\{self.guid}"

    @property
    def _device(self) -> str:
        instance = self.registry.get(f"{NETWORK}\\{self.guid}\\Connection", "PnpInstanceID")
        return rf"{ENUM}\{instance.data!s}" if instance else ENUM

    @property
    def name(self) -> str:
        """As `netsh` and people call it."""
        value = self.registry.get(f"{NETWORK}\\{self.guid}\\Connection", "Name")
        return str(value.data) if value else ""

    @property
    def index(self) -> int:
        """Its number in the lists of netsh."""
        return 6 + 5 * self.place

    @property
    def enabled(self) -> bool:
        """Whether its device is: the flag of the device manager."""
        value = self.registry.get(self._device, "ConfigFlags")
        return not (value is not None and isinstance(value.data, int) and value.data & _DISABLED)

    def enable(self, enabled: bool) -> None:
        """Switch the device on or off."""
        self.registry.set(self._device, "ConfigFlags", dword(0 if enabled else _DISABLED))

    @property
    def dhcp(self) -> bool:
        """Whether the address comes from DHCP."""
        return self.registry.get(self._key, "EnableDHCP") == dword(1)

    def _list(self, name: str) -> tuple[str, ...]:
        value = self.registry.get(self._key, name)
        return (
            tuple(part for part in value.data if part)
            if value and isinstance(value.data, tuple)
            else ()
        )

    def _text(self, name: str) -> str:
        value = self.registry.get(self._key, name)
        return value.data if value and isinstance(value.data, str) else ""

    @property
    def address(self) -> tuple[str, str, str]:
        """Address, mask, gateway."""
        if self.dhcp:
            gateway = [*self._list("DhcpDefaultGateway"), ""][0]
            return self._text("DhcpIPAddress"), self._text("DhcpSubnetMask"), gateway
        first = [[*self._list(name), ""][0] for name in ("IPAddress", "SubnetMask")]
        return first[0], first[1], [*self._list("DefaultGateway"), ""][0]

    @property
    def static_dns(self) -> list[str]:
        """Name servers that somebody set."""
        return [part for part in self._text("NameServer").split(",") if part]

    def use_dhcp(self) -> None:
        """An address of the virtual network; what was typed in goes, name servers stay (W1)."""
        set_, key = self.registry.set, self._key
        set_(key, "EnableDHCP", dword(1))
        for name in ("IPAddress", "SubnetMask", "DefaultGateway", "DefaultGatewayMetric"):
            self.registry.delete(key, name)
        for name, text in (
            ("DhcpIPAddress", f"10.0.0.{4 + self.place}"),
            ("DhcpSubnetMask", "255.255.255.0"),
            ("DhcpServer", DHCP_SERVER),
            ("DhcpNameServer", DHCP_SERVER),
        ):
            set_(key, name, RegistryValue(RegistryType.SZ, text))
        if self.place == 0:  # Azure gives a gateway to the first NIC alone
            set_(key, "DhcpDefaultGateway", _texts("10.0.0.1"))

    def use_static(self, address: str, mask: str, gateway: str) -> None:
        """A typed-in address; the lease goes."""
        set_, key = self.registry.set, self._key
        set_(key, "EnableDHCP", dword(0))
        for name in ("IPAddress", "SubnetMask", "DefaultGateway", "NameServer", "Server"):
            self.registry.delete(key, f"Dhcp{name}")
        set_(key, "IPAddress", _texts(address))
        set_(key, "SubnetMask", _texts(mask))
        if gateway:
            set_(key, "DefaultGateway", _texts(gateway))
            set_(key, "DefaultGatewayMetric", _texts("0"))
        else:
            self.registry.delete(key, "DefaultGateway")
            self.registry.delete(key, "DefaultGatewayMetric")

    def use_dns(self, servers: Sequence[str]) -> None:
        """Name servers; none at all means those of DHCP."""
        text = ",".join(servers)
        self.registry.set(self._key, "NameServer", RegistryValue(RegistryType.SZ, text))


def install(registry: Registry, language: Language, names: Sequence[str] = ()) -> None:
    """The NICs of a VM: one, called as Windows calls it, or those given. All have DHCP."""
    for place, name in enumerate(names or [NAMES.get(language, "Ethernet")]):
        guid = "{" + str(uuid.uuid5(uuid.NAMESPACE_OID, f"lab-nic-{place}")).upper() + "}"
        device = f"{_VMBUS}\\{{{uuid.uuid5(uuid.NAMESPACE_OID, f'lab-device-{place}')}}}"
        connection = f"{NETWORK}\\{guid}\\Connection"
        registry.set(connection, "Name", RegistryValue(RegistryType.SZ, name))
        registry.set(connection, "PnpInstanceID", RegistryValue(RegistryType.SZ, device))
        registry.set(connection, "MediaSubType", dword(1))
        text = "Microsoft Hyper-V Network Adapter" + (f" #{place + 1}" if place else "")
        registry.set(f"{ENUM}\\{device}", "FriendlyName", RegistryValue(RegistryType.SZ, text))
        registry.set(f"{ENUM}\\{device}", "ConfigFlags", dword(0))
        registry.set(f"{INTERFACES}\\{guid}", "NameServer", RegistryValue(RegistryType.SZ, ""))
        Adapter(registry, guid, place).use_dhcp()


def adapters(registry: Registry) -> Iterator[Adapter]:
    """All NICs in order."""
    key = registry.key(NETWORK)
    place = 0
    for child in key.keys.values() if key else ():
        if "connection" in child.keys:
            yield Adapter(registry, child.name, place)
            place += 1


def find(registry: Registry, name: str) -> Adapter | None:
    """The NIC of that name."""
    return next((nic for nic in adapters(registry) if nic.name.lower() == name.lower()), None)


def valid(address: str) -> bool:
    """Whether this is an IPv4 address."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True
