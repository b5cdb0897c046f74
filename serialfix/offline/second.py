"""A second reader that shares no code with the writer: regipy, where it is installed.

`pip install 'serialfix[offline]'` brings it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serialfix.model import RegistryType, RegistryValue


class SecondReader:
    """Values by path and name, as regipy reads them."""

    def __init__(self, path: Path) -> None:
        from regipy.registry import RegistryHive

        self._hive = RegistryHive(str(path))

    @staticmethod
    def reads(name: str) -> bool:
        """Whether it finds a value of this name: regipy 6.5 misreads names in Latin-1."""
        return name.isascii()

    def get(self, path: str, name: str) -> RegistryValue | None:
        """A value; None where there is none."""
        from regipy.exceptions import RegistryKeyNotFoundException

        try:
            key = self._hive.get_key(f"\\{path}")
        except RegistryKeyNotFoundException:
            return None
        for value in key.iter_values(trim_values=False) if key.values_count else ():
            if value.name.lower() == name.lower():
                return _typed(value.value_type, value.value)
        return None


def _typed(kind: str, data: Any) -> RegistryValue:
    if isinstance(data, str) and kind in ("REG_BINARY", "REG_NONE"):
        data = bytes.fromhex(data)
    if isinstance(data, list):
        data = tuple(data)
    return RegistryValue(RegistryType(kind), data)


def reader(path: Path) -> SecondReader | None:
    """The second reader for a file; None where regipy is not installed."""
    try:
        return SecondReader(path)
    except ImportError:
        return None
