from __future__ import annotations

from typing import Any

import pytest

from serialfix.model import RegistryType, RegistryValue
from serialfix.report.text import describe, seconds


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "(absent)"),
        (RegistryValue(RegistryType.DWORD, 0), "0"),
        (RegistryValue(RegistryType.DWORD, 0xFFFFFFFF), "0xffffffff"),
        (RegistryValue(RegistryType.DWORD, 10), "0xa"),
        ({"type": "REG_DWORD", "data": 1}, "1"),
        (RegistryValue(RegistryType.SZ, "0"), "REG_SZ '0'"),
        (RegistryValue(RegistryType.QWORD, 1), "REG_QWORD 0x1 (1)"),
        ("present", "present"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
    ],
)
def test_values_are_short_and_never_mistaken_for_others(value: Any, shown: str) -> None:
    assert describe(value) == shown


@pytest.mark.parametrize(
    ("elapsed", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (187.4, "3 min 07 s")],
)
def test_seconds(elapsed: float, shown: str) -> None:
    assert seconds(elapsed) == shown
