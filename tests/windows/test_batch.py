"""Lines of batch files. That a real cmd.exe takes them is shown by tests/playbook."""

from __future__ import annotations

import pytest

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows import batch


KEY = r"HKLM\SOFTWARE\A"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("a b", '"a b"'),
        ("", '""'),
        ("C:\\a\\", '"C:\\a\\\\"'),
        ("100%", '"100%%"'),
        ("a & (b) | ^c!", '"a & (b) | ^c!"'),
        ('"', r'^"\^"^"'),
        ('a\\" & b\\', r'^"a\\\^" ^& b\\^"'),
    ],
)
def test_arguments(text: str, typed: str) -> None:
    assert batch.quoted(text) == typed


def test_registry_lines() -> None:
    number = RegistryValue(RegistryType.DWORD, 0xFFFFFFFF)
    assert batch.add(KEY, "N", number) == (f'reg add "{KEY}" /v "N" /t REG_DWORD /d 0xffffffff /f')
    path = RegistryValue(RegistryType.EXPAND_SZ, "%SystemRoot%\\x")
    assert batch.add(KEY, "P", path).endswith('/t REG_EXPAND_SZ /d "%%SystemRoot%%\\x" /f')
    assert batch.delete(KEY, "N") == f'reg delete "{KEY}" /v "N" /f'
    with pytest.raises(UnsafeStep, match="too long"):
        batch.add(KEY, "N", RegistryValue(RegistryType.BINARY, bytes(4000)))


def test_a_comparison_has_its_type_and_its_place() -> None:
    lines = batch.among(KEY, "Two Words", [RegistryValue(RegistryType.DWORD, 4), None, "x"], "ok")
    assert 'for /f "tokens=3,*" %%a in' in lines[2]
    assert lines[4] == '    if /i "%%a %%b"=="REG_DWORD 0x4" set "ok=1"'
    assert lines[5] == '    if /i "%%b"=="x" set "ok=1"'
    assert lines[-1] == 'if not defined present set "ok=1"'


@pytest.mark.parametrize("value", ["50%", 'a"b', "a&b", RegistryValue(RegistryType.BINARY, b"a")])
def test_what_cannot_be_compared_is_refused(value: RegistryValue | str) -> None:
    with pytest.raises(UnsafeStep, match="cannot compare"):
        batch.among(KEY, "N", [value], "ok")


@pytest.mark.parametrize("name", ["50%", "it's", "a^", "!"])
def test_names_that_a_second_cmd_would_act_on_are_not_asked_for(name: str) -> None:
    with pytest.raises(UnsafeStep, match="cannot ask for"):
        batch.among(KEY, name, [1], "ok")


def test_remarks_are_one_line_that_does_nothing() -> None:
    assert batch.comment("a\r\n& del %x% > y") == "rem a del x y"
    assert batch.comment("Größe – 東") == "rem Gr??e ? ?"
    assert batch.says("50% (of) it | more\n!") == "echo 50 of it more"


def test_a_file_that_is_not_read_as_utf8_is_noticed() -> None:
    *_, letter, test = batch.in_utf8()
    assert letter.isascii() is False
    assert test.endswith("goto failed")


def test_labels_differ() -> None:
    labels = batch.Labels()
    assert labels.new("done") != labels.new("done")
