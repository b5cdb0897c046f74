"""The offline twin as a batch file: line by line, and run by a real cmd.exe.

Wine's reg.exe has no `load` and no `unload`: these lines, and robocopy's, are left out there, and
keys of the same names stand for the loaded hives.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serialfix.errors import ConfigError, UnsafeStep
from serialfix.playbook.export import export
from serialfix.playbook.library import playbook_files
from serialfix.playbook.lint import lint
from serialfix.playbook.listing import listing
from serialfix.playbook.load import find_playbook, load_playbook
from serialfix.playbook.offline import compile_twin
from serialfix.playbook.rules import Severity
from tests.playbook.conftest import RealWindows
from tests.playbook.everything import everything
from tests.playbook.test_offline import ROOTS, article


HONEST = {"lowers-security", "ends-network"}
"""Warnings that our own files deserve: they say what the playbook says of itself."""
ADD = re.compile(
    r'reg add "HKLM\\(?P<root>\w+)\\(?P<path>[^"]+)" /v "(?P<name>[^"]+)" /t REG_DWORD'
    r" /d (?P<data>\w+) /f"
)


def marks(text: str) -> tuple[list[str], set[str]]:
    """The labels of a batch file, and where it jumps to."""
    lines = text.split("\r\n")
    labels = [line[1:] for line in lines if line.startswith(":")]
    jumps = {line.split(" goto ")[1] for line in lines if " goto " in line}
    jumps |= {line.removeprefix("goto ") for line in lines if line.startswith("goto ")}
    jumps |= {line.split()[1][1:] for line in lines if line.startswith("call :")}
    return labels, jumps


def test_with_named_sets_it_is_the_corrected_article_line_by_line() -> None:
    text = listing(find_playbook("rdp-reset").playbook, sets=[1, 2])
    found = [
        (ROOTS[match["root"]], match["path"].lower(), match["name"].lower(), int(match["data"], 0))
        for match in map(ADD.fullmatch, text.split("\r\n"))
        if match
    ]
    wanted, _ = article()
    assert len(found) == 29
    assert set(found) == set(wanted)
    assert "%" not in text  # can be pasted line by line as well
    for added in ("reg unload HKLM\\BROKENSYSTEM", "reg unload HKLM\\BROKENSOFTWARE", "robocopy"):
        assert added in text


def test_the_order_is_backup_load_changes_unload() -> None:
    text = listing(find_playbook("rdp-reset").playbook, drive="g:", sets=[1])
    marks = ("robocopy", "reg load", "Select", "reg add", "reg unload", "exit /b 0", ":failed")
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert 'reg load HKLM\\BROKENSYSTEM "G:\\Windows\\System32\\config\\SYSTEM"' in text


def test_every_jump_has_its_label_and_every_change_is_checked() -> None:
    for sets in ((), (1, 2)):
        text = listing(everything(), sets=sets)
        labels, jumps = marks(text)
        assert len(labels) == len(set(labels))
        assert jumps == set(labels)
        lines = text.split("\r\n")
        for number, line in enumerate(lines):
            if line.startswith(("reg add", "reg delete", "reg load", "powershell", "bcdedit")):
                assert lines[number + 1].startswith("if errorlevel 1 goto"), line


def test_what_has_no_offline_form_is_listed() -> None:
    text = listing(everything())
    assert "rem Not done here, step admin: account azureadmin: accounts are in the hive SAM" in text
    assert "rem Lowers security: It lowers something." in text


def test_what_needs_a_running_windows_altogether_is_refused() -> None:
    with pytest.raises(UnsafeStep, match="has nothing that can be done to a disk") as caught:
        listing(find_playbook("local-admin-enable").playbook)
    assert "accounts are in the hive SAM" in str(caught.value)


@pytest.mark.parametrize("path", playbook_files({}).values(), ids=lambda path: path.stem)
def test_every_shipped_playbook_has_its_jumps_right(path: Path) -> None:
    playbook = load_playbook(path).playbook
    twin = compile_twin(playbook, ["ControlSet001"])
    texts = [export(playbook, "cmd", partial=True).content.decode()]
    if twin.edits or twin.boot:
        texts += [listing(playbook), listing(playbook, sets=[1])]
    for text in texts:
        labels, jumps = marks(text)
        assert len(labels) == len(set(labels))
        assert jumps == set(labels)
        told = {each.rule for each in lint(text, file="fix.cmd")}
        assert {rule.name for rule in told if rule.severity is not Severity.NOTE} <= HONEST


def test_only_hives_that_are_loaded_are_asked_for() -> None:
    """reg query of a hive that is not there would end the file before anything is changed."""
    for path in playbook_files({}).values():
        playbook = load_playbook(path).playbook
        twin = compile_twin(playbook, ["ControlSet001"])
        if twin.edits:
            text = listing(playbook, sets=[1])
            used = set(re.findall(r"BROKEN[A-Z]+", text))
            assert used == set(re.findall(r"reg load HKLM\\(BROKEN[A-Z]+)", text)), path.stem


def test_the_boot_configuration_of_both_generations() -> None:
    text = listing(everything())
    assert 'set "store=F:\\boot\\bcd"' in text
    assert 'set "store=%esp%\\EFI\\Microsoft\\Boot\\BCD"' in text
    assert 'bcdedit /store "%store%" /deletevalue {default} safeboot' in text


def test_a_drive_that_is_none() -> None:
    for drive in ("F", "/mnt", 'F:" & del'):
        with pytest.raises(ConfigError, match="--drive"):
            listing(everything(), drive=drive)


def runnable(text: str) -> bytes:
    kept = [
        line
        for line in text.split("\r\n")
        if not line.startswith(("reg load", "reg unload", "robocopy", "ping"))
    ]
    return "\r\n".join(kept).encode()


@pytest.mark.timeout(90)
def test_a_real_cmd_exe_reads_select_and_writes_to_the_sets_that_exist(
    windows: RealWindows,
) -> None:
    broken = r"HKLM\BROKENSYSTEM"
    chosen = {"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 12, "Other": 3}
    for name, number in chosen.items():
        data = ("/t", "REG_DWORD", "/d", str(number), "/f")
        assert windows.reg("add", rf"{broken}\Select", "/v", name, *data) == 0
    for number in (1, 3, 12):
        assert windows.reg("add", rf"{broken}\ControlSet{number:03}\Control", "/f") == 0
    reset = find_playbook("rdp-reset").playbook
    assert windows.run("offline.cmd", runnable(listing(reset))) == 0
    stored = windows.prefix.registry()
    for step in reset.steps:
        assert step.registry is not None
        _, _, below = step.registry.key.partition("\\CurrentControlSet\\")
        if not below:
            key = step.registry.key.replace("HKLM\\SOFTWARE", r"HKLM\BROKENSOFTWARE")
            assert stored.get(key, step.registry.value) == step.registry.wanted
            continue
        for name in ("ControlSet001", "ControlSet012"):
            found = stored.get(rf"{broken}\{name}\{below}", step.registry.value)
            assert found == step.registry.wanted
    listener = r"Control\Terminal Server"
    assert stored.key(rf"{broken}\ControlSet003\{listener}") is None
    assert stored.key(rf"{broken}\ControlSet000") is None
    # a set that does not exist is never made
    text = listing(reset, sets=[2])
    assert windows.run("bad.cmd", runnable(text)) == 1
    assert windows.prefix.registry().key(rf"{broken}\ControlSet002") is None
