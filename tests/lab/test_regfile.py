from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.lab.profiles import PROFILES, default_registry, dword
from serialfix.lab.regfile import from_bytes, read, to_bytes, wine_sections
from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue


KEY = r"HKLM\SOFTWARE\Lab"

# As Wine 8 writes it.
OWN = r"""WINE REGISTRY Version 2
;; All keys relative to REGISTRY\\Machine

#arch=win64

[Software\\Lab\\A[b]c] 1795679979
#time=1dd7d7c1668a350
@="d\x00e9faut"
"a\\b \x6771\"q"="x\ty\nz\x20ac1"
"bin"=hex:00,af,\
  f1
"dw"=dword:0000007b
"exp"=str(2):"%X%"
"multi"=str(7):"a\0b\0"
"none"=hex(0):00,00
"one"=str(7):"\0"
"qw"=hex(b):ff,00,00,00,00,00,00,00
"unknown"=hex(8):01
"\xd83d\xde00"="\xd83d\xde00"

[System\\CurrentControlSet\\Control] 1
"X"=dword:00000001
"""

EXPORT = (
    "Windows Registry Editor Version 5.00\r\n\r\n"
    "[HKEY_LOCAL_MACHINE\\Software\\Lab]\r\n"
    '@="a\\\\b\\"c"\r\n'
    '"m"=hex(7):61,00,00,00,\\\r\n  00,00\r\n'
    '"e"="line\r\nnext"\r\n'
    '"d"=dword:00000010\r\n\r\n'
)


def test_wines_own_file() -> None:
    registry = Registry()
    read(OWN, registry, root="HKLM")
    key = registry.key(rf"{KEY}\A[b]c")
    assert key is not None
    assert {name: value.data for name, value in key.values.values()} == {
        "": "défaut",
        'a\\b 東"q': "x\ty\nz€1",
        "bin": b"\0\xaf\xf1",
        "dw": 123,
        "exp": "%X%",
        "multi": ("a", "b"),
        "none": b"\0\0",
        "one": ("",),
        "qw": 255,
        "😀": "😀",
    }
    assert registry.get(r"HKLM\SYSTEM\ControlSet001\Control", "X") == dword(1)


def test_what_reg_export_writes() -> None:
    registry = Registry()
    read(EXPORT, registry)
    key = registry.key(KEY)
    assert key is not None
    assert {name: value.data for name, value in key.values.values()} == {
        "": 'a\\b"c',
        "m": ("a",),
        "e": "line\r\nnext",
        "d": 16,
    }


def test_a_root_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no such root"):
        read("[HKEY_NOWHERE\\x]\n", Registry())


def test_what_is_written_is_read_back() -> None:
    registry, again = default_registry(PROFILES["ws2022"], "WIN-LAB01"), Registry()
    for root in ("HKLM", "HKCU"):
        read(f"WINE REGISTRY Version 2\n{wine_sections(registry, root)}", again, root=root)
    assert again.dump() == registry.dump()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(
    st.builds(RegistryValue, st.just(RegistryType.SZ), TEXT),
    st.builds(RegistryValue, st.just(RegistryType.EXPAND_SZ), TEXT),
    st.builds(
        RegistryValue,
        st.just(RegistryType.MULTI_SZ),
        st.lists(TEXT.filter(bool), max_size=3).map(tuple),
    ),
    st.builds(RegistryValue, st.just(RegistryType.DWORD), st.integers(0, 2**32 - 1)),
    st.builds(RegistryValue, st.just(RegistryType.QWORD), st.integers(0, 2**64 - 1)),
    st.builds(RegistryValue, st.just(RegistryType.BINARY), st.binary(max_size=9)),
    st.builds(RegistryValue, st.just(RegistryType.NONE), st.binary(max_size=9)),
)


@given(VALUES)
def test_bytes_and_back(value: RegistryValue) -> None:
    assert from_bytes(value.type, to_bytes(value)) == value


@given(st.dictionaries(TEXT, VALUES, max_size=4), TEXT.filter(lambda name: name.strip("\\ ") != ""))
def test_any_name_and_value(values: dict[str, RegistryValue], name: str) -> None:
    registry, again = Registry(), Registry()
    path = rf"{KEY}\{name}"
    for each, value in values.items():
        registry.set(path, each, value)
    read(wine_sections(registry, "HKLM"), again, root="HKLM")
    assert again.dump() == registry.dump()
