from __future__ import annotations

import pytest

from serialfix.errors import UnsafeStep
from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.export import export
from serialfix.playbook.load import find_playbook, parse_playbook
from serialfix.playbook.schema import Playbook
from tests.playbook.conftest import RealWindows
from tests.playbook.everything import KEY, VALUES, everything, values


LEVEL = """
schema: 1
name: level
version: "1.0"
title: A condition
restart: never
facts:
  - {id: level, registry: {key: 'HKLM\\SOFTWARE\\Acme', value: The Level}}
steps:
  - id: lower
    why: Only from 4 or 3, or where there is none.
    when: {fact: level, is: [4, 3, absent]}
    registry: {key: 'HKLM\\SOFTWARE\\Acme', value: Lowered, type: REG_DWORD, data: 2}
  - id: other
    why: From everything but 4.
    when: {fact: level, is_not: [4]}
    registry: {key: 'HKLM\\SOFTWARE\\Acme', value: Other, type: REG_DWORD, data: 2}
  - id: deny
    why: Only where there is one.
    registry:
      {key: 'HKLM\\SOFTWARE\\Acme', value: Deny, type: REG_DWORD, data: 0, only_if_present: true}
  - id: old
    why: Must go.
    registry: {key: 'HKLM\\SOFTWARE\\Acme', value: Old, state: absent}
  - id: run
    why: A command, only when it has to.
    command:
      check: for %v in (Done) do @reg query HKLM\\SOFTWARE\\Acme /v %v >nul 2>nul
      run: reg add HKLM\\SOFTWARE\\Acme /v Done /d %SystemRoot% /f
      no_undo: It is a test.
"""
ACME = r"HKLM\SOFTWARE\Acme"


def text(playbook: Playbook, *, partial: bool = False) -> str:
    decoded = export(playbook, "cmd", partial=partial).content.decode()
    assert decoded.count("\n") == decoded.count("\r\n")
    return decoded


def test_every_line_that_changes_something_is_checked_and_nothing_asks() -> None:
    lines = text(everything()).splitlines()
    changing = ("reg add", "reg delete", "reg export", "sc config", "net stop", "bcdedit /set")
    for number, line in enumerate(lines):
        if line.startswith(changing):
            assert lines[number + 1].startswith(("if errorlevel 1 goto", 'set "code=')), line
        if line.startswith(("reg add", "reg delete")):
            assert line.endswith(" /f")
    assert not [line for line in lines if "pause" in line or "set /p" in line]
    assert lines[-1] == "exit /b %end%"


def test_every_jump_has_its_label() -> None:
    for playbook in (everything(), values(), find_playbook("rdp-reset").playbook):
        lines = text(playbook).splitlines()
        labels = [line[1:] for line in lines if line.startswith(":")]
        assert len(labels) == len(set(labels))
        jumps = {line.split(" goto ")[1] for line in lines if " goto " in line}
        jumps |= {line.removeprefix("goto ") for line in lines if line.startswith("goto ")}
        assert jumps == set(labels)


def test_only_texts_beyond_ascii_need_another_code_page() -> None:
    assert "chcp" not in text(everything())
    assert text(values()).count("chcp") == 3


def test_what_a_batch_file_cannot_do_is_refused() -> None:
    quoted = LEVEL.replace("is: [4, 3, absent]", "is: ['50%']")
    playbook = parse_playbook(quoted).playbook
    with pytest.raises(UnsafeStep, match="step lower"):
        export(playbook, "cmd")
    assert "NOT IN THIS FILE: step lower" in text(playbook, partial=True)
    auto = "network: {interface: auto, dhcp: true}"
    text_ = LEVEL.split("  - id: run", maxsplit=1)[0] + f"  - {{id: dhcp, why: DHCP., {auto}}}\n"
    with pytest.raises(UnsafeStep, match="name the network adapter"):
        export(parse_playbook(text_).playbook, "cmd")


def dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)


def acme(registry: Registry) -> dict[str, RegistryValue]:
    key = registry.key(ACME)
    return {name: value for name, value in key.values.values()} if key else {}


@pytest.mark.timeout(90)
def test_a_real_cmd_exe_runs_it(windows: RealWindows) -> None:
    ascii_only = [name for name in VALUES if name.isascii()]
    assert windows.run("values.cmd", export(values(ascii_only), "cmd").content) == 0
    reset = find_playbook("rdp-reset").playbook
    for _ in range(2):
        assert windows.run("reset.cmd", export(reset, "cmd").content) == 0
    stored = windows.prefix.registry()
    assert {name: stored.get(KEY, name) for name in ascii_only} == {
        name: VALUES[name] for name in ascii_only
    }
    for step in reset.steps:
        assert step.registry is not None
        assert stored.get(step.registry.key, step.registry.value) == step.registry.wanted
    # Wine reads batch files in its OEM code page, whatever chcp says: that must be noticed
    assert windows.run("unread.cmd", export(values(), "cmd").content) == 1
    assert windows.prefix.registry().dump() == stored.dump()
    assert windows.files("serialfix-values-1/1.reg") == []  # there was no such key
    assert len(windows.files("serialfix-rdp-reset-*")) == 2
    assert windows.files("serialfix-rdp-reset-2/1.reg")


@pytest.mark.timeout(90)
def test_a_real_cmd_exe_decides(windows: RealWindows) -> None:
    content = export(parse_playbook(LEVEL).playbook, "cmd").content
    for level in (4, 2, None):
        decides(windows, content, level)
        assert windows.reg("delete", ACME, "/f") == 0
    # the first line that fails ends it
    failing = LEVEL.replace(
        "run: reg add HKLM\\SOFTWARE\\Acme /v Done", "run: reg add NOPE /v Done"
    )
    failing += """
  - id: behind
    why: It is not reached.
    registry: {key: 'HKLM\\SOFTWARE\\Acme', value: Behind, type: REG_DWORD, data: 1}
"""
    assert windows.run("bad.cmd", export(parse_playbook(failing).playbook, "cmd").content) == 1
    assert "Lowered" in acme(windows.prefix.registry())
    assert "Behind" not in acme(windows.prefix.registry())


def decides(windows: RealWindows, content: bytes, level: int | None) -> None:
    if level is not None:
        number = ("/t", "REG_DWORD", "/d", str(level))
        assert windows.reg("add", ACME, "/v", "The Level", *number, "/f") == 0
        assert windows.reg("add", ACME, "/v", "Deny", "/d", "x", "/f") == 0
        assert windows.reg("add", ACME, "/v", "Old", "/d", "x", "/f") == 0
    assert windows.run("level.cmd", content) == 0
    wanted = {"Done": RegistryValue(RegistryType.SZ, "C:\\windows")}
    if level is not None:
        wanted |= {"The Level": dword(level), "Deny": dword(0)}
    if level in (4, None):
        wanted["Lowered"] = dword(2)
    if level != 4:
        wanted["Other"] = dword(2)
    assert acme(windows.prefix.registry()) == wanted
