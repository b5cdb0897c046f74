from __future__ import annotations

import pytest

from serialfix.lab import regfile
from serialfix.lab.registry import Registry
from serialfix.playbook.export import export
from serialfix.playbook.load import find_playbook
from serialfix.playbook.schema import Playbook
from tests.playbook.conftest import RealWindows
from tests.playbook.everything import KEY, VALUES, everything, values


def text(playbook: Playbook, *, partial: bool = False) -> str:
    content = export(playbook, "reg", partial=partial).content
    assert content.startswith(b"\xff\xfe")
    decoded = content.decode("utf-16")
    assert decoded.count("\n") == decoded.count("\r\n")
    return decoded


def test_the_values_are_read_back_by_another_reader() -> None:
    registry = Registry()
    regfile.read(text(values()), registry)
    for name, value in VALUES.items():
        assert registry.get(KEY, name) == value


def test_what_a_reg_file_looks_like() -> None:
    written = text(values()).splitlines()
    assert written[0] == "Windows Registry Editor Version 5.00"
    assert '"Number"=dword:ffffffff' in written
    assert '"Big"=hex(b):01,00,00,00,00,00,00,80' in written
    assert r'"A Text"="C:\\a \"b\" 100% & <c> | it' in "\n".join(written)
    assert '"Empty"=""' in written
    assert '"None"=hex(0):78,00,00,00' in written
    assert any(line.endswith(",\\") for line in written)
    assert all(len(line) <= 80 for line in written if "hex" in line or line.startswith("  "))


def test_what_it_cannot_carry_is_listed_in_it() -> None:
    written = text(everything(), partial=True)
    assert "; NOT IN THIS FILE: step safe, boot entry {current}, safeboot" in written
    assert '"Old"=-' in written
    assert '"X509 Certificate"=-' in written
    assert '"Start"=dword:00000003' in written
    assert '"ObjectName"="NT AUTHORITY\\\\NetworkService"' in written
    assert '"Type"=dword:00000020' in written
    assert '"Deny"' not in written
    assert '"Lowered"' not in written
    assert '"Forced"' not in written


@pytest.mark.timeout(60)
def test_a_real_reg_exe_imports_it(windows: RealWindows) -> None:
    assert windows.reg("add", r"HKLM\SOFTWARE\Acme", "/v", "Old", "/d", "x", "/f") == 0
    assert windows.run("values.reg", export(values(), "reg").content) == 0
    assert windows.run("all.reg", export(everything(), "reg", partial=True).content) == 0
    reset = find_playbook("rdp-reset").playbook
    assert windows.run("reset.reg", export(reset, "reg").content) == 0
    stored = windows.prefix.registry()
    assert {name: stored.get(KEY, name) for name in VALUES} == VALUES
    assert stored.get(r"HKLM\SOFTWARE\Acme", "Old") is None
    for step in reset.steps:
        assert step.registry is not None
        assert stored.get(step.registry.key, step.registry.value) == step.registry.wanted
