from __future__ import annotations

import pytest

from serialfix.lab.profiles import Language
from tests.lab.terminal import Prompt, virtual


DONE = "The operation completed successfully.\r\n"


@virtual
async def test_the_store_is_shown_as_bcdedit_lays_it_out() -> None:
    cmd = Prompt()
    code, text = await cmd.run("bcdedit /enum")
    assert code == 0
    assert text.splitlines()[1:4] == [
        "Windows Boot Manager",
        "--------------------",
        "identifier              {bootmgr}",
    ]
    assert "ems                     Yes\r\n" in text
    assert len(text.splitlines()) > 24
    assert await cmd.out("bcdedit") == text
    loader = await cmd.out("bcdedit /enum {current}")
    assert "identifier              {current}\r\n" in loader
    assert "Windows Boot Manager" not in loader
    assert "identifier              {default}\r\n" in await cmd.out("bcdedit /enum {default}")
    spelled = await cmd.out("bcdedit /enum {bootmgr} /v")
    assert "identifier              {9dea862c-5cdd-4e70-acc1-f32b344d4795}\r\n" in spelled
    assert "{current}" not in spelled
    assert "emsbaudrate             115200" in await cmd.out("bcdedit /enum all")


@pytest.mark.parametrize(
    ("language", "identifier", "yes"), [("de", "Bezeichner", "Ja"), ("fr", "identificateur", "Oui")]
)
@virtual
async def test_headings_and_yes_are_localised_and_elements_are_not(
    language: Language, identifier: str, yes: str
) -> None:
    text = await Prompt(language=language).out("bcdedit /enum {current}")
    assert f"{identifier:<24}{{current}}\r\n" in text
    assert f"ems                     {yes}\r\n" in text
    assert "Windows Boot Loader" not in text


@virtual
async def test_an_element_is_set_and_taken_away() -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    assert await cmd.run("bcdedit /set {current} safeboot MINIMAL") == (0, DONE)
    assert "safeboot                Minimal\r\n" in await cmd.out("bcdedit /enum {default}")
    assert await cmd.run("bcdedit /deletevalue {current} safeboot") == (0, DONE)
    assert cmd.machine.disk.snapshot() == before
    code, text = await cmd.run("bcdedit /deletevalue {current} safeboot")
    assert (code, text.splitlines()[-1]) == (1, "Element not found.")
    assert (await cmd.run("bcdedit /set {bootmgr} displaybootmenu yes"))[0] == 0
    assert (await cmd.run("bcdedit /set {bootmgr} timeout 5"))[0] == 0
    text = await cmd.out("bcdedit /enum {bootmgr}")
    assert "timeout                 5\r\n" in text
    assert "displaybootmenu         Yes\r\n" in text
    assert (await cmd.run("bcdedit /timeout 30"))[0] == 0
    assert (await cmd.run("bcdedit /deletevalue {bootmgr} displaybootmenu"))[0] == 0
    assert cmd.machine.disk.snapshot() == before


@virtual
async def test_the_switches_of_the_port() -> None:
    cmd = Prompt()
    bcd = cmd.machine.disk.bcd
    for line, entry, element, wanted in (
        ("/ems off", "{current}", "ems", "no"),
        ("/ems {current} on", "{current}", "ems", "yes"),
        ("/debug {current} on", "{current}", "debug", "yes"),
        ("/emssettings EMSPORT:2 EMSBAUDRATE:9600", "{emssettings}", "emsbaudrate", "9600"),
    ):
        assert (await cmd.run(f"bcdedit {line}"))[0] == 0
        assert bcd.get(entry, element) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "/set {00000000-0000-0000-0000-000000000000} safeboot minimal",
        "/set {current} nosuchelement 1",
        "/set {current} timeout 5",  # the boot manager's
        "/set {current} safeboot gently",
        "/set {bootmgr} timeout soon",
        "/set {bootmgr} displaybootmenu perhaps",
        "/set {current} safeboot",
        "/deletevalue {default} safeboot dsrepair",  # one word too many
        "/enum {nope}",
        "/ems {current} perhaps",
        "/emssettings EMSPORT:x",
        r"/store F:\boot\bcd /enum",
        "/dance",
    ],
)
@virtual
async def test_a_wrong_line_is_1_and_changes_nothing(line: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    code, text = await cmd.run(f"bcdedit {line}")
    assert (code, bool(text.strip())) == (1, True)
    assert cmd.machine.disk.snapshot() == before
