"""reg.exe: what is typed, and what its answers mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows import registry


KEY = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
PUBLISHED = r'HKLM\SYSTEM\Cur"rentControlSet\Control\Terminal" Server'
"""What may not exist yet is created as it is spelled: the program sees no quote."""
DWORD = RegistryType.DWORD


def dword(number: int) -> RegistryValue:
    return RegistryValue(DWORD, number)


def test_lines() -> None:
    key = f'"{KEY.replace("rr", "rR")}"'  # what exists has no case
    assert registry.query(KEY, "A b") == f'reg query {key} /v "A b"'
    assert registry.delete(KEY, "A") == f"reg delete {key} /v A /f"
    assert registry.delete_key(KEY) == f"reg delete {key} /f"
    assert registry.list_key(KEY) == f"reg query {key}"
    assert registry.key_exists(r"HKLM\SOFTWARE") == r'reg query "HKLM\SOFTWARE" >nul 2>nul'


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (dword(0), "/t REG_DWORD /d 0"),
        (dword(0xFFFFFFFF), "/t REG_DWORD /d 4294967295"),
        (dword(60_000), "/t REG_DWORD /d 0xea60"),
        (RegistryValue(RegistryType.SZ, ""), '/t REG_SZ /d ^"^"'),
        (RegistryValue(RegistryType.SZ, "aa bb"), '/t REG_SZ /d "a"a" b"b'),
        (RegistryValue(RegistryType.NONE, "ab\0".encode("utf-16-le")), "/t REG_NONE /d ab"),
        (RegistryValue(RegistryType.SZ, "a & b"), '/t REG_SZ /d "a & b"'),
        (RegistryValue(RegistryType.MULTI_SZ, ("a b", "c")), '/t REG_MULTI_SZ /d "a b\\0c"'),
        (RegistryValue(RegistryType.MULTI_SZ, ()), '/t REG_MULTI_SZ /d ^"^"'),
        (RegistryValue(RegistryType.BINARY, b"\x00\xff"), '/t REG_BINARY /d 0"0fF"'),
        (RegistryValue(RegistryType.BINARY, b""), '/t REG_BINARY /d ^"^"'),
    ],
)
def test_data_is_typed_as_reg_exe_takes_it(value: RegistryValue, typed: str) -> None:
    """No bare `ffffffff`, which is refused; no single quotes, which would be kept (sac.md §9)."""
    assert registry.add(KEY, "X", value) == f'reg adD "{PUBLISHED}" /v X {typed} /f'


@pytest.mark.parametrize("items", [("",), ("a", "", "b"), ("a\\0b",)])
def test_texts_that_multi_sz_cannot_carry_are_refused(items: tuple[str, ...]) -> None:
    with pytest.raises(UnsafeStep):
        registry.add(KEY, "X", RegistryValue(RegistryType.MULTI_SZ, items))


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_]{1,20}", fullmatch=True),
        st.one_of(
            st.none(),
            st.integers(0, 2**32 - 1).map(dword),
            st.text(st.characters(min_codepoint=0x21, max_codepoint=0x24F), max_size=30).map(
                lambda text: RegistryValue(RegistryType.SZ, text)
            ),
            st.binary(min_size=1, max_size=20).map(
                lambda data: RegistryValue(RegistryType.BINARY, data)
            ),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_batch_is_read_as_it_is_answered(wanted: dict[str, RegistryValue | None]) -> None:
    names = list({name.lower(): name for name in wanted})
    by_name = {name.lower(): value for name, value in wanted.items()}
    rows = [shown(name.upper(), by_name[name]) for name in names]
    assert registry.answers(rows, names) == {name: by_name[name] for name in names}


def shown(name: str, value: RegistryValue | None) -> str:
    match value.data if value else None:
        case None:
            return f"[{name}]"
        case int(number):
            data = hex(number)
        case bytes(raw):
            data = raw.hex().upper()
        case text:
            data = str(text)
    assert value is not None
    return f"    {name}    {value.type}    {data}"


A = "    A    REG_DWORD    0x1"


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ([A, "[B]"], {"A": dword(1), "B": None}),
        ([A], {"A": dword(1)}),  # no answer for B: it is asked alone
        ([A, A, "[B]"], {"B": None}),  # two answers are none
        ([A, "[A]", "[B]"], {"B": None}),
        ([A, "'find' is not recognized as an internal or external command,", "[B]"], {}),
        ([A, "", "[B]"], {"A": dword(1), "B": None}),
        (["    A    REG_ODD    1", "[B]"], {"B": None}),
    ],
)
def test_an_unclear_answer_is_none(rows: list[str], known: dict[str, RegistryValue | None]) -> None:
    assert registry.answers(rows, ["A", "B"]) == known


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("    X    REG_DWORD    0xffffffff", dword(0xFFFFFFFF)),
        ("    X    REG_QWORD    0x100000001", RegistryValue(RegistryType.QWORD, 0x1_0000_0001)),
        ("    X    REG_SZ", RegistryValue(RegistryType.SZ, "")),
        ("    X    REG_SZ    a    REG_SZ    b", RegistryValue(RegistryType.SZ, "a    REG_SZ    b")),
        ("    X    REG_MULTI_SZ    a\\0b c", RegistryValue(RegistryType.MULTI_SZ, ("a", "b c"))),
        ("    X    REG_MULTI_SZ    a\\0b\\0", RegistryValue(RegistryType.MULTI_SZ, ("a", "b"))),
        ("    X    REG_BINARY    00FF", RegistryValue(RegistryType.BINARY, b"\x00\xff")),
        ("    X    REG_NONE", RegistryValue(RegistryType.NONE, b"")),
        ("    X    REG_EXPAND_SZ    %A%", RegistryValue(RegistryType.EXPAND_SZ, "%A%")),
    ],
)
def test_rows(row: str, value: RegistryValue) -> None:
    assert registry.values(["", "HKEY_LOCAL_MACHINE\\X", row, ""]) == {"x": value}


@pytest.mark.parametrize(
    "row", ["X    REG_DWORD    0x1", "    X    REG_DWORD    zzz", "    X  REG_SZ", "    X"]
)
def test_what_is_no_row_is_passed_over(row: str) -> None:
    assert registry.values([row]) == {}


@given(st.text(max_size=200))
def test_no_answer_is_an_exception(text: str) -> None:
    registry.values(text.split("\n"))
    registry.answers(text.split("\n"), ["A", "B"])


def test_batches_hold_what_a_loop_can_carry() -> None:
    names = ["A b", *(f"N{number}" for number in range(30)), "C*"]
    batches = registry.batches(names)
    assert sorted(name for batch in batches for name in batch) == sorted(names)
    assert ["A b"] in batches
    assert ["C*"] in batches
    assert max(map(len, batches)) == registry.BATCH
    assert registry.batches([]) == []


def test_an_empty_key_shows_nothing() -> None:
    assert registry.is_empty(["", " "], KEY)
    assert not registry.is_empty(["", "HKEY_LOCAL_MACHINE\\A\\B"], KEY)


def test_an_empty_key_may_show_its_own_name() -> None:
    """The facts do not say that it does not."""
    own = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Terminal Server"
    assert registry.is_empty(["", own], KEY)
    assert not registry.is_empty([own, own + r"\WinStations"], KEY)
