"""Texts and data that a playbook may hold; the models' tests hold the rest."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.values import CommandLine, Name, registry_value


@pytest.mark.parametrize("wrong", ["", " x", "x ", "'x'", 'a"b', "a\u200bb", "a\nb", "x" * 256])
def test_names_are_what_a_person_can_see(wrong: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Name).validate_python(wrong)


@pytest.mark.parametrize("wrong", ["", " ver", "ver\u00a0", "ver\n"])
def test_commands_are_one_line(wrong: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(CommandLine).validate_python(wrong)


def test_data_by_type() -> None:
    assert registry_value(RegistryType.DWORD, "0xffffffff").data == 0xFFFFFFFF
    assert registry_value(RegistryType.BINARY, "00ff") == RegistryValue(
        RegistryType.BINARY, b"\x00\xff"
    )
    with pytest.raises(ValueError, match="0xffffffff"):
        registry_value(RegistryType.DWORD, "ffffffff")
