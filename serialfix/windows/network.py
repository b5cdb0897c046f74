"""netstat and netsh interface: listeners, adapters and their addresses.

Addresses and names are read from the registry: netsh translates what it prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from serialfix.windows.shell import line, quoted


CONNECTIONS = (
    r"HKLM\SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"
)
_INTERFACES = r"HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces"
_KEY = re.compile(r"^HKEY_.*\\(\{[0-9A-F-]{36}\})\\Connection\s*$", re.IGNORECASE)
_NAMED = re.compile(r"^    Name    REG_SZ    (.*)$", re.IGNORECASE)


def listeners(port: int) -> str:
    """Ask who listens on a port: those whose foreign port is 0, in any language. All connections
    of a busy port may be more than the screen holds."""
    return line(f'netstat -an | find ":{port} " | find ":0 "')


def listening_processes(port: int) -> str:
    """As `listeners`, with the processes."""
    return line(f'netstat -ano | find ":{port} " | find ":0 "')


def services_in(process: int) -> str:
    """Ask for the program and the services of a process."""
    return line(f'tasklist /svc /fi "PID eq {process}" /nh')


def listens(rows: Iterable[str], port: int) -> bool:
    """Whether a row is a listener: the foreign address 0.0.0.0:0 says so in any language."""
    return bool(_listening(rows, port))


def listening_process(rows: Iterable[str], port: int) -> int | None:
    """The process that listens on a port, out of `listening_processes`; None without one."""
    found = _listening(rows, port)
    last = found[0].split()[-1] if found else ""
    return int(last) if last.isdecimal() else None


def _listening(rows: Iterable[str], port: int) -> list[str]:
    row = re.compile(rf"^\s*TCP\s+\S+:{port}\s+(0\.0\.0\.0|\[::\]):0\s")
    return [text for text in rows if row.match(text + " ")]


def interface_key(guid: str) -> str:
    """The key with the addresses of an adapter."""
    return f"{_INTERFACES}\\{guid}"


def connection_names() -> str:
    """Ask for the names of all adapters, also of those that are gone."""
    return line(f'reg query "{CONNECTIONS}" /s /v Name')


def guids(rows: Iterable[str]) -> dict[str, list[str]]:
    """The ids of adapters by name, out of the answer to `connection_names`. One that is gone may
    have the name of one that is there."""
    found: dict[str, list[str]] = {}
    guid = ""
    for row in rows:
        if match := _KEY.match(row):
            guid = match[1]
        elif guid and (match := _NAMED.match(row)):
            found.setdefault(match[1].strip(), []).append(guid)
            guid = ""
    return found


def all_interfaces() -> str:
    """Ask for the adapters that are there, enabled or not."""
    return line("netsh interface show interface")


def active_interfaces() -> str:
    """Ask for the adapters that IP uses; one that is disabled is not among them."""
    return line("netsh interface ipv4 show interfaces")


def named(rows: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of the names that end a row: all columns before them are translated, or numbers. Of
    two that do, the longer one: it holds the other."""
    names = list(names)
    ends = ([name for name in names if row.rstrip().endswith(f"  {name}")] for row in rows)
    there = {max(found, key=len) for found in ends if found}
    return [name for name in names if name in there]


def enable(name: str, *, enabled: bool) -> str:
    """Switch an adapter on or off."""
    word = "enabled" if enabled else "disabled"
    return line(f"netsh interface set interface name={quoted(name)} admin={word}")


def address_by_dhcp(name: str) -> str:
    """Have an adapter ask for its address."""
    return line(f"netsh interface ip set address name={quoted(name)} source=dhcp")


def dns_by_dhcp(name: str) -> str:
    """Have an adapter ask for its DNS servers."""
    return line(f"netsh interface ip set dns name={quoted(name)} source=dhcp")


def fixed_address(name: str, address: str, mask: str, gateway: str) -> str:
    """Give an adapter a fixed address."""
    through = f" gateway={gateway}" if gateway else ""
    return line(
        f"netsh interface ip set address name={quoted(name)} source=static"
        f" address={address} mask={mask}{through}"
    )


def fixed_dns(name: str, servers: Sequence[str], known: int) -> str:
    """Give an adapter its next fixed DNS server, when `known` of them are set."""
    verb = "add" if known else "set"
    how = f"address={servers[known]} index={known + 1}"
    if not known:
        how = f"source=static address={servers[0]}"
    return line(f"netsh interface ip {verb} dns name={quoted(name)} {how}")
