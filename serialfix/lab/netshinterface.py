"""netsh interface: adapters, addresses, name servers (catalogue §4.12, §4.13)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from types import MappingProxyType

from serialfix.lab import adapters
from serialfix.lab.adapters import LOOPBACK, Adapter
from serialfix.lab.netshwords import named_fields, split_fields, usage
from serialfix.lab.shell import Call


_LABEL = 38
_NO_ADAPTER = "win.123"


def _show_interface(call: Call, words: list[str]) -> int:
    """Disabled adapters are listed here, and nowhere else."""
    text = call.text
    head = (text("netsh.admin"), text("netsh.state"), text("netsh.type"), text("netsh.name"))
    call.say()
    call.say(f"{head[0]:<15}{head[1]:<15}{head[2]:<17}{head[3]}")
    call.say("-" * 73)
    for nic in adapters.adapters(call.machine.registry):
        enabled = "netsh.is_enabled" if nic.enabled else "netsh.is_disabled"
        connected = "netsh.connected" if nic.enabled else "netsh.disconnected"
        call.say(f"{text(enabled):<15}{text(connected):<15}{text('netsh.dedicated'):<17}{nic.name}")
    call.say()
    return 0


def _set_interface(call: Call, words: list[str]) -> int:
    fields, rest = split_fields(words)
    for name, word in zip(("name", "admin"), rest, strict=False):
        fields.setdefault(name, word)
    admin = fields.get("admin", "").lower()
    nic = adapters.find(call.machine.registry, fields.get("name", ""))
    if nic is None:
        call.say(f"{call.text('netsh.not_registered')}\r\n")
        return 1
    if admin not in ("enabled", "enable", "disabled", "disable"):
        return usage(call)
    nic.enable(admin.startswith("enable"))
    call.say()
    return 0


def _show_interfaces(call: Call, words: list[str]) -> int:
    call.say()
    call.say("Idx     Met         MTU          State                Name")
    call.say("---  ----------  ----------  ------------  ---------------------------")
    call.say(f"  1          75  4294967295  connected     {LOOPBACK}")
    for nic in adapters.adapters(call.machine.registry):
        if nic.enabled:
            call.say(f"{nic.index:3}          10        1500  connected     {nic.name}")
    call.say()
    return 0


def _show_config(call: Call, words: list[str]) -> int:
    """About twelve lines for each adapter that is enabled."""
    fields, rest = split_fields(words)
    wanted = fields.get("name", rest[0] if rest else "").lower()
    shown = [
        nic
        for nic in adapters.adapters(call.machine.registry)
        if nic.enabled and wanted in ("", nic.name.lower())
    ]
    for nic in shown:
        _show_adapter(call, nic)
    if wanted in ("", LOOPBACK.lower()):
        _show_loopback(call)
    elif not shown:
        call.say(f"{call.text(_NO_ADAPTER)}\r\n")
        return 1
    return 0


def _line(call: Call, label: str, value: str) -> None:
    call.say(f"    {call.text(label):<{_LABEL}}{value}")


def _show_adapter(call: Call, nic: Adapter) -> None:
    address, mask, gateway = nic.address
    call.say(f"\r\n{call.text('netsh.configuration', nic.name)}")
    _line(call, "netsh.dhcp", call.text("yes") if nic.dhcp else call.text("no"))
    if address:
        network = ipaddress.IPv4Network(f"{address}/{mask}", strict=False)
        _line(call, "netsh.address", address)
        _line(call, "netsh.prefix", f"{network} (mask {mask})")
    if gateway:
        _line(call, "netsh.gateway", gateway)
        _line(call, "netsh.gateway_metric", "0")
    call.say(f"    {'InterfaceMetric:':<{_LABEL}}10")
    servers = nic.static_dns or ([] if not nic.dhcp else [adapters.DHCP_SERVER])
    label = "netsh.dns_dhcp" if nic.dhcp and not nic.static_dns else "netsh.dns_static"
    first, *more = servers or [call.text("netsh.none")]
    _line(call, label, first)
    for server in more:
        call.say(" " * (4 + _LABEL) + server)
    _line(call, "netsh.suffix", call.text("netsh.primary"))
    _line(call, "netsh.wins", call.text("netsh.none"))


def _show_loopback(call: Call) -> None:
    call.say(f"\r\n{call.text('netsh.configuration', LOOPBACK)}")
    _line(call, "netsh.dhcp", call.text("no"))
    _line(call, "netsh.address", "127.0.0.1")
    _line(call, "netsh.prefix", "127.0.0.0/8 (mask 255.0.0.0)")
    call.say(f"    {'InterfaceMetric:':<{_LABEL}}75")
    _line(call, "netsh.dns_static", call.text("netsh.none"))
    _line(call, "netsh.suffix", call.text("netsh.primary"))
    call.say()


def _set_address(call: Call, words: list[str]) -> int:
    """By name or by position: `set address "Ethernet" static 10.0.0.9 255.255.255.0 10.0.0.1`."""
    names = ("name", "source", "address", "mask", "gateway", "gwmetric")
    fields = named_fields(words, names)
    fields.setdefault("address", fields.get("addr", ""))
    nic = adapters.find(call.machine.registry, fields.get("name", ""))
    if nic is None or not nic.enabled:
        call.say(f"{call.text(_NO_ADAPTER)}\r\n")
        return 1
    match fields.get("source", "").lower():
        case "dhcp" if nic.dhcp:
            call.say(f"{call.text('netsh.dhcp_already')}\r\n")
            return 1
        case "dhcp":
            nic.use_dhcp()
        case "static":
            gateway = fields.get("gateway", "")
            gateway = "" if gateway.lower() == "none" else gateway
            for text in (fields["address"], fields.get("mask", ""), gateway or "0.0.0.0"):
                if not adapters.valid(text):
                    call.say(f"{call.text('netsh.bad_address', text)}\r\n")
                    return 1
            nic.use_static(fields["address"], fields["mask"], gateway)
        case _:
            return usage(call)
    call.say()
    return 0


def _set_dns(call: Call, words: list[str]) -> int:
    fields = named_fields(words, ("name", "source", "address"))
    nic = adapters.find(call.machine.registry, fields.get("name", ""))
    if nic is None or not nic.enabled:
        call.say(f"{call.text(_NO_ADAPTER)}\r\n")
        return 1
    address = fields.get("address", fields.get("addr", ""))
    match fields.get("source", "").lower():
        case "dhcp":
            nic.use_dns([])
        case "static" if address.lower() == "none":
            nic.use_dns([])
        case "static" if adapters.valid(address):
            nic.use_dns([address])
        case "static":
            call.say(f"{call.text('netsh.bad_address', address)}\r\n")
            return 1
        case _:
            return usage(call)
    call.say()
    return 0


def _add_dns(call: Call, words: list[str]) -> int:
    fields = named_fields(words, ("name", "address", "index"))
    nic = adapters.find(call.machine.registry, fields.get("name", ""))
    address = fields.get("address", fields.get("addr", ""))
    if nic is None or not nic.enabled:
        call.say(f"{call.text(_NO_ADAPTER)}\r\n")
        return 1
    if not adapters.valid(address) or address in nic.static_dns:
        call.say(f"{call.text('netsh.bad_address', address)}\r\n")
        return 1
    servers = nic.static_dns
    index = fields.get("index", "")
    servers.insert(int(index) - 1 if index.isdigit() and int(index) else len(servers), address)
    nic.use_dns(servers)
    call.say()
    return 0


_Command = Callable[[Call, list[str]], int]
_IP: Mapping[tuple[str, str], _Command] = MappingProxyType(
    {
        ("show", "interfaces"): _show_interfaces,
        ("show", "config"): _show_config,
        ("show", "addresses"): _show_config,
        ("set", "address"): _set_address,
        ("set", "dnsservers"): _set_dns,
        ("add", "dnsservers"): _add_dns,
    }
)


def run(call: Call, words: list[str]) -> int:
    """`netsh interface ...`; words may be cut short, `ip` is `ipv4`, `dns` is `dnsservers`."""
    lower = [word.lower() for word in words[:3]]
    if len(lower) == 3 and lower[0] in ("ip", "ipv4"):
        for (verb, noun), command in _IP.items():
            if verb.startswith(lower[1]) and noun.startswith(lower[2]):
                return command(call, words[3:])
    elif len(lower) >= 2 and "interface".startswith(lower[1]):
        if lower[0] == "show":
            return _show_interface(call, words[2:])
        if lower[0] == "set":
            return _set_interface(call, words[2:])
    call.say(call.text("netsh.unknown", " ".join(["interface", *words])))
    return 1
