"""Registry values as bytes: how a hive stores them, and a .reg file carries them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.model import RegistryType, RegistryValue


NUMBERS: Mapping[RegistryType, int] = MappingProxyType(
    {
        RegistryType.NONE: 0,
        RegistryType.SZ: 1,
        RegistryType.EXPAND_SZ: 2,
        RegistryType.BINARY: 3,
        RegistryType.DWORD: 4,
        RegistryType.MULTI_SZ: 7,
        RegistryType.QWORD: 11,
    }
)
_TYPES = {number: kind for kind, number in NUMBERS.items()}
_SIZES = {RegistryType.DWORD: 4, RegistryType.QWORD: 8}


def to_bytes(value: RegistryValue) -> bytes:
    r"""The data as it is stored.

    >>> to_bytes(RegistryValue(RegistryType.DWORD, 0xD3D))
    b'=\r\x00\x00'
    """
    match value.data:
        case bytes(data):
            return data
        case int(number):
            return number.to_bytes(_SIZES[value.type], "little")
        case str(text):
            return f"{text}\0".encode("utf-16-le", "surrogatepass")
        case parts:
            texts = "".join(f"{part}\0" for part in (*parts, ""))
            return texts.encode("utf-16-le", "surrogatepass")


def from_bytes(number: int, data: bytes) -> RegistryValue | None:
    """The value that is stored so; None for a type that reg.exe does not know, and for data that
    its type does not fit, such as a REG_DWORD of two bytes."""
    kind = _TYPES.get(number)
    if kind in (RegistryType.BINARY, RegistryType.NONE):
        return RegistryValue(kind, data)
    if kind in _SIZES:
        fits = len(data) == _SIZES[kind]
        return RegistryValue(kind, int.from_bytes(data, "little")) if fits else None
    if kind is None or len(data) % 2:
        return None
    text = data.decode("utf-16-le", "surrogatepass")
    if kind is not RegistryType.MULTI_SZ:
        return RegistryValue(kind, text.split("\0", 1)[0])
    return RegistryValue(kind, tuple(part for part in text.split("\0") if part))
