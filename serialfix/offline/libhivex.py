"""libhivex, the C library for registry hives, called through ctypes.

There is no wheel of it: its own Python binding is built for the system's Python only, so that no
virtual environment has it, while the library itself is a package of every Linux distribution.
Names and texts are UTF-8 in both directions, unlike those of `hivexregedit --merge`, which encodes
non-ASCII texts twice.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from serialfix.errors import ConfigError


Node = int
NamedValue = tuple[str, int, bytes]
"""Name ("" for the default value), number of the type, and the data as it is stored."""
_NAMES = ("libhivex.so.0", "libhivex.dylib", "libhivex.so")
_WRITE = 4  # HIVEX_OPEN_WRITE


class HiveError(Exception):
    """libhivex refused; with a number of the system it says why, as the system words it."""

    def __init__(self, what: str, number: int = 0) -> None:
        super().__init__(f"{what}: {os.strerror(number)}" if number else what)


class _SetValue(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("length", ctypes.c_size_t),
        ("data", ctypes.c_char_p),
    )


@cache
def library() -> ctypes.CDLL:
    """The library. Raises ConfigError where it is not installed."""
    for name in _NAMES:
        try:
            return _declared(ctypes.CDLL(name, use_errno=True))
        except OSError:
            continue
    raise ConfigError(
        "registry hives cannot be edited here: the library libhivex is not installed",
        remedy="Debian, Ubuntu: apt install libhivex0. Fedora, RHEL: dnf install hivex-libs. macOS:"
        " brew install hivex. On a Windows recovery VM: `serialfix playbook show NAME --offline`.",
    )


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    """Argument and result types; handles, nodes and values are as wide as a pointer."""
    handle, node, size = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t
    sizes, kinds = ctypes.POINTER(size), ctypes.POINTER(ctypes.c_int)
    text, pointer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("open", handle, (text, number)),
        ("close", number, (handle,)),
        ("root", node, (handle,)),
        ("node_name", pointer, (handle, node)),
        ("node_name_len", size, (handle, node)),
        ("node_children", pointer, (handle, node)),
        ("node_get_child", node, (handle, node, text)),
        ("node_values", pointer, (handle, node)),
        ("value_key", pointer, (handle, node)),
        ("value_key_len", size, (handle, node)),
        ("value_value", pointer, (handle, node, kinds, sizes)),
        ("node_add_child", node, (handle, node, text)),
        ("node_set_values", number, (handle, node, size, ctypes.POINTER(_SetValue), number)),
        ("commit", number, (handle, text, number)),
    ):
        function = getattr(lib, f"hivex_{name}")
        function.restype, function.argtypes = result, arguments
    return lib


@cache
def _free() -> Any:
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, (ctypes.c_void_p,)
    return free


class Hivex:
    """An open hive. Changes are in memory until `commit`."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self._lib = library()
        self._path = path
        handle = self._lib.hivex_open(os.fsencode(path), _WRITE if write else 0)
        self._handle: int | None = self._checked(handle, "it cannot be opened")

    def close(self) -> None:
        """Forget what was not committed."""
        if self._handle is not None:
            self._lib.hivex_close(self._handle)
            self._handle = None

    def __enter__(self) -> Hivex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def root(self) -> Node:
        """The key that all paths begin at."""
        return self._checked(self._lib.hivex_root(self._handle), "it has no root")

    def name(self, node: Node) -> str:
        """The name of a key."""
        length = self._lib.hivex_node_name_len(self._handle, node)
        return self._text(self._lib.hivex_node_name(self._handle, node), length, "a key's name")

    def children(self, node: Node) -> list[Node]:
        """The keys in a key, in the order of the hive."""
        return self._list(self._lib.hivex_node_children(self._handle, node), "the keys in a key")

    def child(self, node: Node, name: str) -> Node | None:
        """The key in a key that has this name, in whatever case."""
        ctypes.set_errno(0)
        found = self._lib.hivex_node_get_child(self._handle, node, name.encode())
        if not found and ctypes.get_errno():
            raise HiveError(f"{self._path}: the key {name} cannot be read", ctypes.get_errno())
        return int(found) or None

    def values(self, node: Node) -> Iterator[NamedValue]:
        """The values of a key."""
        kind, length = ctypes.c_int(), ctypes.c_size_t()
        for value in self._list(self._lib.hivex_node_values(self._handle, node), "a key's values"):
            size = self._lib.hivex_value_key_len(self._handle, value)
            name = self._text(
                self._lib.hivex_value_key(self._handle, value), size, "a value's name"
            )
            ctypes.set_errno(0)
            data = self._lib.hivex_value_value(self._handle, value, kind, length)
            if not data and ctypes.get_errno():
                raise HiveError(
                    f"{self._path}: the value {name} cannot be read", ctypes.get_errno()
                )
            yield name, kind.value, self._taken(data, length.value)

    def set_values(self, node: Node, values: Sequence[NamedValue]) -> None:
        """Give a key exactly these values."""
        array = (_SetValue * len(values))(
            *(_SetValue(name.encode(), kind, len(data), data) for name, kind, data in values)
        )
        done = self._lib.hivex_node_set_values(self._handle, node, len(values), array, 0)
        self._zero(done, "values cannot be written")

    def add_child(self, node: Node, name: str) -> Node:
        """A new key in a key, with the security of that key."""
        added = self._lib.hivex_node_add_child(self._handle, node, name.encode())
        return self._checked(added, f"the key {name} cannot be made")

    def commit(self) -> None:
        """Write all changes to the file, not atomically: it must be a copy."""
        self._zero(self._lib.hivex_commit(self._handle, None, 0), "it cannot be written")

    def _checked(self, result: int | None, what: str) -> int:
        if not result:
            raise HiveError(f"{self._path}: {what}", ctypes.get_errno())
        return int(result)

    def _zero(self, result: int, what: str) -> None:
        if result != 0:
            raise HiveError(f"{self._path}: {what}", ctypes.get_errno())

    def _list(self, pointer: int | None, what: str) -> list[int]:
        """An array that ends with a zero, and is ours to free."""
        address = self._checked(pointer, f"{what} cannot be read")
        try:
            found: list[int] = []
            array = ctypes.cast(address, ctypes.POINTER(ctypes.c_size_t))
            while array[len(found)]:
                found.append(array[len(found)])
            return found
        finally:
            _free()(address)

    def _text(self, pointer: int | None, length: int, what: str) -> str:
        raw = self._taken(self._checked(pointer, f"{what} cannot be read"), length)
        if b"\0" in raw:  # seen in hives of malware; to C such a name would end there
            raise HiveError(f"{self._path}: {what} {raw!r} holds a NUL")
        return raw.decode("utf-8", "surrogatepass")

    @staticmethod
    def _taken(pointer: int | None, length: int) -> bytes:
        """Memory that is ours to free, as bytes."""
        if not pointer:
            return b""
        try:
            return ctypes.string_at(pointer, length)
        finally:
            _free()(pointer)
