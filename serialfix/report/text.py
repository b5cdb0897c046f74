"""Words for the terminal. Nothing that a guest printed reaches it as a control character."""

from __future__ import annotations

from typing import Any

from serialfix.model import RegistryType, RegistryValue
from serialfix.printable import printable


ABSENT = "(absent)"


def describe(value: Any) -> str:
    """A step's before, after or wanted, as short as it can be read without mistake."""
    match value:
        case None:
            return ABSENT
        case {"type": str(), "data": _}:
            return describe(RegistryValue.from_json(value))
        case RegistryValue(type=RegistryType.DWORD, data=int(number)):
            return str(number) if number < 10 else f"{number:#x}"
        case _:
            return printable(str(value))


def seconds(elapsed: float) -> str:
    """`4.2 s` or `3 min 07 s`."""
    if elapsed < 60:
        return f"{elapsed:.1f} s"
    minutes, rest = divmod(round(elapsed), 60)
    return f"{minutes} min {rest:02d} s"
