"""A hive file: whether it may be worked on, and its values by path and name.

The layout of the header and of the logs is that of msuhanov's description of the format: `regf`,
two sequence numbers that are equal in a hive that was closed, a checksum over the first 508 bytes,
the size of the bins; logs of Windows 8.1 and later are a header and entries that begin with `HvLE`,
each with its sequence number. What is in a log and not yet in the hive would be lost, or written
over the change, so such a hive is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor
from pathlib import Path

from serialfix.errors import ConfigError, HiveRefused
from serialfix.model import RegistryValue
from serialfix.offline.libhivex import HiveError, Hivex, NamedValue, Node
from serialfix.windows.stored import NUMBERS, from_bytes, to_bytes


HEADER = 4096
_LARGE = 16344
"""Larger data lies in pieces from format 1.4 on, which libhivex reads and does not write."""
_KINDS = {"SYSTEM": "Select", "SOFTWARE": "Microsoft", "SAM": "SAM", "SECURITY": "Policy"}
"""A key that each kind of hive has at its root, and the others have not."""
_CLOSE_IT = (
    "Load it once on a Windows recovery VM, which works the log in: `reg load HKLM\\BROKENHIVE"
    " FILE`, then `reg unload HKLM\\BROKENHIVE`. Nothing was changed."
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A value as it lies in the hive; `typed` is None for types that reg.exe does not know."""

    number: int
    data: bytes

    @property
    def typed(self) -> RegistryValue | None:
        """The value, where it is of a known type and fits it."""
        return from_bytes(self.number, self.data)

    @classmethod
    def of(cls, value: RegistryValue) -> Stored:
        """How a value is stored."""
        return cls(NUMBERS[value.type], to_bytes(value))


def examine(content: bytes, path: Path) -> None:
    """Raise HiveRefused unless these are the bytes of a whole hive that was closed properly."""
    if content[:4] != b"regf":
        raise HiveRefused(
            f"{path} is no registry hive", remedy="Give the file in System32\\config."
        )
    if len(content) < HEADER:
        raise _truncated(path, len(content), HEADER)
    first, second = struct.unpack_from("<II", content, 4)
    major, minor = struct.unpack_from("<II", content, 20)
    (size,) = struct.unpack_from("<I", content, 40)
    (checksum,) = struct.unpack_from("<I", content, 508)
    if (major, minor) not in {(1, minor) for minor in range(3, 7)}:
        raise HiveRefused(f"{path}: format {major}.{minor} of a hive is not known")
    if first != second or checksum != _checksum(content):
        raise HiveRefused(
            f"{path} was not closed properly (sequence numbers {first} and {second}): what Windows"
            " wrote last is only in its log",
            remedy=_CLOSE_IT,
        )
    if len(content) < HEADER + size:
        raise _truncated(path, len(content), HEADER + size)
    _examine_bins(content, HEADER + size, path)
    for log in _logs(path):
        if any(entry >= second for entry in _entries(log.read_bytes())):
            raise HiveRefused(
                f"{log} holds changes that are not in {path.name} yet", remedy=_CLOSE_IT
            )


def _checksum(content: bytes) -> int:
    """The exclusive or of the words before it; 0 and -1 are never stored."""
    found: int = reduce(xor, struct.unpack_from("<127I", content))
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(found, found)


def _truncated(path: Path, found: int, wanted: int) -> HiveRefused:
    return HiveRefused(
        f"{path} is cut off: it has {found} bytes of {wanted}",
        remedy="Take it from a snapshot or backup of the disk. Nothing was changed.",
    )


def _examine_bins(content: bytes, end: int, path: Path) -> None:
    place = HEADER
    while place < end:
        size = struct.unpack_from("<I", content, place + 8)[0] if place + 12 <= end else 0
        if content[place : place + 4] != b"hbin" or size < HEADER or size % HEADER:
            raise HiveRefused(
                f"{path} is damaged at byte {place}",
                remedy="Take it from a snapshot or backup of the disk. Nothing was changed.",
            )
        place += size
    if place != end:
        raise _truncated(path, len(content), place)


def _logs(path: Path) -> list[Path]:
    """The logs beside a hive; a mounted NTFS tells apart the case that Windows does not."""
    names = {f"{path.name}{suffix}".lower() for suffix in (".log", ".log1", ".log2")}
    return sorted(other for other in path.parent.iterdir() if other.name.lower() in names)


def _entries(log: bytes) -> Iterator[int]:
    """The sequence numbers of the entries in a log; of an older log, that of its header."""
    if log[:4] != b"regf" or len(log) < 512:
        return
    if struct.unpack_from("<I", log, 28)[0] != 6:
        yield struct.unpack_from("<I", log, 4)[0] - 1
        return
    place = 512
    while log[place : place + 4] == b"HvLE" and place + 16 <= len(log):
        size, _, sequence = struct.unpack_from("<III", log, place + 4)
        yield sequence
        place += max(size, 512)


class Hive:
    """An open hive with its values by path and name; neither minds the case."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.path = path
        try:
            self._hivex = Hivex(path, write=write)
        except HiveError as error:
            raise _refused(error) from error

    def __enter__(self) -> Hive:
        return self

    def __exit__(self, *_: object) -> None:
        self._hivex.close()

    def require_kind(self, kind: str) -> None:
        """Raise ConfigError when this is another hive than the option says."""
        names = [name.lower() for name in self.keys()]
        found = [each for each, key in _KINDS.items() if key.lower() in names]
        if kind not in found:
            is_ = f"a {found[0]} hive" if found else "another hive"
            raise ConfigError(
                f"{self.path} is {is_}, not {kind}",
                remedy="--system-hive takes Windows\\System32\\config\\SYSTEM, --software-hive"
                " the file SOFTWARE beside it.",
            )

    def keys(self) -> list[str]:
        """The names of the keys at the root."""
        return [self._hivex.name(node) for node in self._hivex.children(self._hivex.root())]

    def get(self, path: str, name: str) -> Stored | None:
        """A value; None when it, or its key, is not there."""
        node = self._node(path)
        for own, number, data in self._hivex.values(node) if node is not None else ():
            if own.lower() == name.lower():
                return Stored(number, data)
        return None

    def set(self, path: str, name: str, wanted: Stored | None) -> None:
        """Write a value, or remove it; keys that are missing on the way to it are made.

        Raises HiveRefused where libhivex could not write what stands beside it.
        """
        if wanted is not None:
            self._writable(path, name, wanted.data)
        node = self._node(path) if wanted is None else self._made(path)
        if node is None:
            return
        kept: list[NamedValue] = []
        place = None
        for own, number, data in self._hivex.values(node):
            if own.lower() == name.lower():
                place, name = len(kept), own
                continue
            self._writable(path, own, data)
            kept.append((own, number, data))
        if wanted is not None:
            place = len(kept) if place is None else place
            kept.insert(place, (name, wanted.number, wanted.data))
        self._hivex.set_values(node, kept)

    def _writable(self, path: str, name: str, data: bytes) -> None:
        if len(data) > _LARGE:
            raise HiveRefused(
                f"{self.path}: {path} holds {name} with {len(data)} bytes, which would not survive",
                remedy="Change this key on a Windows recovery VM: `serialfix playbook show NAME"
                " --offline`. Nothing was changed.",
            )

    def commit(self) -> None:
        """Write all changes to the file, which must be a copy."""
        try:
            self._hivex.commit()
        except HiveError as error:
            raise _refused(error) from error

    def tree(self) -> Mapping[str, Mapping[str, Stored]]:
        """All keys with all their values, by their names in lower case."""
        found: dict[str, dict[str, Stored]] = {}
        waiting: list[tuple[str, Node]] = [("", self._hivex.root())]
        try:
            while waiting:
                path, node = waiting.pop()
                found[path] = {
                    name.lower(): Stored(number, data)
                    for name, number, data in self._hivex.values(node)
                }
                for child in self._hivex.children(node):
                    below = self._hivex.name(child).lower()
                    waiting.append((f"{path}\\{below}" if path else below, child))
        except HiveError as error:
            raise _refused(error) from error
        return found

    def _node(self, path: str) -> Node | None:
        node: Node | None = self._hivex.root()
        for part in path.split("\\"):
            if node is None:
                break
            node = self._hivex.child(node, part)
        return node

    def _made(self, path: str) -> Node:
        node = self._hivex.root()
        for part in path.split("\\"):
            node = self._hivex.child(node, part) or self._new(node, part, path)
        return node

    def _new(self, parent: Node, name: str, path: str) -> Node:
        """A new key. Windows searches keys by their order in capitals; libhivex files them so for
        ASCII only."""
        node = self._hivex.add_child(parent, name)
        order = [self._hivex.name(child).upper() for child in self._hivex.children(parent)]
        if not name.isascii() or order != sorted(order):
            raise HiveRefused(
                f"{self.path}: the key {path} cannot be made here so that Windows would find it",
                remedy="Make it on a Windows recovery VM: `serialfix playbook show NAME --offline`."
                " Nothing was changed.",
            )
        return node


def _refused(error: HiveError) -> HiveRefused:
    return HiveRefused(
        str(error), remedy="Take it from a snapshot or backup of the disk. Nothing was changed."
    )


def unusable(path: Path, error: OSError) -> HiveRefused:
    """Why a file cannot be used, from the system's error."""
    return HiveRefused(
        f"{path}: {error.strerror or error}",
        remedy="The disk must be attached, mounted for writing, and used by nobody else; on Linux"
        " NTFS is mounted read-only after an unclean shutdown. Nothing was changed.",
    )
