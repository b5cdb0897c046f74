"""A hive made here, byte by byte, and filled through libhivex: for tests that need no real one."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import reduce
from operator import xor
from pathlib import Path

from serialfix.model import RegistryType, RegistryValue
from serialfix.offline.hive import Hive, Stored


NOWHERE = 0xFFFFFFFF
Values = Mapping[tuple[str, str], RegistryValue]


def dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)


def text(data: str) -> RegistryValue:
    return RegistryValue(RegistryType.SZ, data)


def _cell(data: bytes) -> bytes:
    size = (4 + len(data) + 7) // 8 * 8
    return struct.pack("<i", -size) + data.ljust(size - 4, b"\0")


def empty() -> bytes:
    """A hive with nothing but its root."""
    name = b"ROOT"
    nothing = (0, 0, NOWHERE, NOWHERE, 0, NOWHERE)  # keys, values
    root_size = (4 + 76 + len(name) + 7) // 8 * 8
    root = struct.pack("<2sHQII6I", b"nk", 0x2C, 0, 0, NOWHERE, *nothing)
    root += struct.pack("<2I5IHH", 32 + root_size, NOWHERE, 0, 0, 0, 0, 0, len(name), 0) + name
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    security = struct.pack("<2sHIIII", b"sk", 0, 0, 0, 1, len(descriptor)) + descriptor
    place = 32 + root_size
    security = security[:4] + struct.pack("<II", place, place) + security[12:]
    cells = _cell(root) + _cell(security)
    free = 4096 - 32 - len(cells)
    body = struct.pack("<4sIIQQI", b"hbin", 0, 4096, 0, 0, 0) + cells
    body += struct.pack("<i", free).ljust(free, b"\0")
    return headed(body, first=1, second=1)


def headed(body: bytes, *, first: int, second: int) -> bytes:
    """A header before the bins."""
    head = struct.pack("<4sIIQIIIIIII", b"regf", first, second, 0, 1, 5, 0, 1, 32, len(body), 1)
    head = head.ljust(508, b"\0")
    checksum = reduce(xor, struct.unpack("<127I", head))
    return (head + struct.pack("<I", checksum)).ljust(4096, b"\0") + body


def make(path: Path, values: Values) -> Path:
    """A hive file with these values, by key and name."""
    path.write_bytes(empty())
    with Hive(path, write=True) as hive:
        for (key, name), value in values.items():
            hive.set(key, name, Stored.of(value))
        hive.commit()
    return path


LISTENER = r"Control\Terminal Server\WinStations\RDP-Tcp"
RULES = r"Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
RULE = "v2.22|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389|Name=@FirewallAPI.dll,-28775|"


def system(
    path: Path, *, sets: tuple[int, ...] = (1, 2), select: Mapping[str, int] | None = None
) -> Path:
    """A SYSTEM hive with these control sets."""
    chosen = {"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 2} | dict(select or {})
    values = {("Select", name): dword(number) for name, number in chosen.items()}
    for number in sets:
        root = f"ControlSet{number:03}"
        values |= {
            (rf"{root}\{LISTENER}", "SecurityLayer"): dword(2),
            (rf"{root}\{LISTENER}", "PortNumber"): dword(3389),
            (rf"{root}\{RULES}", "RemoteDesktop-UserMode-In-TCP"): text(RULE),
            (rf"{root}\Services\TermService", "Start"): dword(4),
            (rf"{root}\Services\TermService", "ObjectName"): text("LocalSystem"),
            (rf"{root}\Services\TermService", "Type"): dword(0x20),
        }
    return make(path, values)


def software(path: Path, more: Values | None = None) -> Path:
    """A SOFTWARE hive."""
    return make(path, {("Microsoft", "x"): dword(1), **(more or {})})
