from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.lab import regfile
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows.stored import NUMBERS, from_bytes, to_bytes


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda n: RegistryValue(RegistryType.DWORD, n)),
    st.integers(0, 2**64 - 1).map(lambda n: RegistryValue(RegistryType.QWORD, n)),
    TEXTS.map(lambda text: RegistryValue(RegistryType.SZ, text)),
    TEXTS.map(lambda text: RegistryValue(RegistryType.EXPAND_SZ, text)),
    st.lists(TEXTS.filter(bool), max_size=4).map(
        lambda items: RegistryValue(RegistryType.MULTI_SZ, tuple(items))
    ),
    st.binary(max_size=20).map(lambda raw: RegistryValue(RegistryType.BINARY, raw)),
    st.binary(max_size=20).map(lambda raw: RegistryValue(RegistryType.NONE, raw)),
)


@given(VALUES)
def test_a_value_comes_back(value: RegistryValue) -> None:
    assert from_bytes(NUMBERS[value.type], to_bytes(value)) == value


@given(VALUES)
def test_the_lab_stores_it_the_same_way(value: RegistryValue) -> None:
    assert to_bytes(value) == regfile.to_bytes(value)


@pytest.mark.parametrize(
    ("number", "data"), [(4, b"\1"), (4, b"\1\0\0\0\0"), (11, b""), (1, b"a"), (8, b"ab"), (6, b"")]
)
def test_what_does_not_fit_its_type_is_no_value(number: int, data: bytes) -> None:
    assert from_bytes(number, data) is None


def test_a_text_without_its_end_is_a_text() -> None:
    assert from_bytes(1, "abc".encode("utf-16-le")) == RegistryValue(RegistryType.SZ, "abc")
    assert from_bytes(1, b"") == RegistryValue(RegistryType.SZ, "")
