from __future__ import annotations

import asyncio
from random import Random

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serialfix.lab.console import Console
from serialfix.lab.render import ConPty, Renderer, Scraper
from serialfix.virtual_time import run_virtual
from tests.lab.terminal import Terminal, virtual


TITLE = b"\x1b]0;Administrator: C:\\Windows\\system32\\cmd.exe"
PROMPT = r"C:\Windows\system32>"

operations = st.lists(
    st.one_of(
        st.text(alphabet="ab 操é\r\n", max_size=30),
        st.integers(1, 170).map(lambda count: "x" * count),
        st.integers(1, 30).map(lambda count: "line    of text\r\n" * count),
        st.sampled_from(["CLEAR", "ERASE", "WAIT", "TITLE", "REPAINT"]),
    ),
    max_size=40,
)


class Wire:
    """A window, its renderer and the terminal at the other end."""

    def __init__(self, kind: str, seed: int = 0) -> None:
        self.console = Console(delayed_wrap=kind == "conpty")
        self.sent: list[str] = []
        self.renderer: Renderer
        if kind == "conpty":
            self.renderer = ConPty(self.console, self.sent.append, tick=0.005)
        else:
            self.renderer = Scraper(self.console, self.sent.append, tick=0.03, rng=Random(seed))

    def take(self) -> str:
        self.renderer.flush()
        sent, self.sent[:] = "".join(self.sent), []
        return sent

    def picture(self) -> list[str]:
        return ["".join(row) for row in self.console.rows]


@pytest.mark.parametrize("kind", ["scraper", "conpty"])
@given(st.data())
@settings(deadline=None)
def test_the_terminal_ends_equal_to_the_window(kind: str, data: st.DataObject) -> None:
    async def scenario() -> None:
        wire = Wire(kind, data.draw(st.integers(0, 99)))
        screen = pyte.Screen(80, 24)
        stream = pyte.Stream(screen)
        wire.console.write("Microsoft\r\n(c)\r\n\r\nC:\\>")
        wire.renderer.start()
        for operation in data.draw(operations):
            match operation:
                case "CLEAR":
                    wire.console.clear()
                case "ERASE":
                    wire.console.erase()
                case "WAIT":
                    await asyncio.sleep(0.1)
                case "TITLE":
                    wire.console.entitle("t")
                case "REPAINT":
                    wire.sent.append(wire.renderer.repaint())
                case text:
                    wire.console.write(text)
        stream.feed(wire.take().replace("\0", ""))
        assert list(screen.display) == wire.picture()
        if kind == "conpty":
            assert (screen.cursor.y, screen.cursor.x) == (wire.console.row, wire.console.column)

    run_virtual(scenario())


@virtual
async def test_conpty_starts_as_captured() -> None:
    at = Terminal("ws2022")
    await at.boot()
    await at.banner()
    said = await at.login()
    head = (
        b"Microsoft Windows [Version 10.0.20348.2227]",
        b"(c) Microsoft Corporation. All rights reserved.",
    )
    prompt = PROMPT.encode()
    first = (
        b"\x1b[18t\x1b[18t\x1b[?25l\x1b[2J\x1b[m\x1b[H"
        + b"\r\n".join(head)
        + b"\x1b[4;1H"
        + prompt
        + TITLE
        + b"\x07\x1b[?25h"
    )
    rows = [*head, b"", prompt, *[b""] * 20]
    second = b"\x1b[?25l\x1b[H" + b"\x1b[K\r\n".join(rows) + b"\x1b[K\x1b[4;21H\x1b[?25h"
    assert said.endswith(first + second)


@virtual
async def test_conpty_has_the_command_twice_and_no_line_end_at_column_80() -> None:
    at = Terminal("ws2022")
    await at.open()
    line = "reg query HKLM\\SYSTEM\\Select /v " + "x" * 60
    said = await at.type(line + "\r")
    assert said.startswith(
        line.encode() + b"\r\n" + TITLE + b" - reg  " + line[4:].encode() + b"\x07"
    )
    assert said.count(line[4:].encode()) == 2
    assert at.rows[3:5] == [(PROMPT + line)[:80], (PROMPT + line)[80:]]


@virtual
async def test_conpty_ends_a_program_with_a_jump_to_the_prompt() -> None:
    at = Terminal("ws2022")
    await at.open()
    said = await at.type("hostname\r")
    assert said.endswith(
        b"\x1b[?25lWIN-LAB01\x1b[7;1H" + PROMPT.encode() + b"\x1b[?25h" + TITLE + b"\x07"
    )
    # Runs of blanks are jumped over.
    assert b"    Current\x1b[4CREG_DWORD\x1b[4C0x1" in (
        await at.type("reg query HKLM\\SYSTEM\\Select /v Current\r")
    ).replace(b"\x1b[10;5H", b"    ")


@virtual
async def test_conpty_sends_every_line_that_scrolls_by() -> None:
    at = Terminal("ws2022")
    await at.open()
    said = await at.type("for /l %n in (100,1,199) do @echo number %n\r")
    assert [n for n in range(100, 200) if f"number {n}".encode() not in said] == []


@virtual
async def test_a_scraper_loses_what_scrolls_by_between_two_polls() -> None:
    at = Terminal("ws2019")
    await at.open()
    said = await at.type("for /l %n in (100,1,199) do @echo number %n\r")
    assert b"number 120" not in said
    assert b"\x1b]0;" not in said
    assert at.rows[-3:] == ["number 199", "", PROMPT]


@pytest.mark.parametrize("seed", range(6))
@virtual
async def test_a_scraper_sends_nothing_for_what_is_there_already(seed: int) -> None:
    at = Terminal("ws2019", seed=seed)
    await at.open()
    await at.type("cls\r")
    said = await at.type("cls\r")  # echo, blank row and prompt come and go between two polls
    assert said.translate(None, b"\0") == b""
    assert at.rows == ["", PROMPT]


@virtual
async def test_a_scraper_polls() -> None:
    async def arrivals(kind: str) -> set[float]:
        wire = Wire(kind)
        wire.console.write("C:\\>")
        wire.renderer.start()
        wire.sent.clear()
        times = set()
        for key in "abcdefghij":
            wire.console.write(key)
            await asyncio.sleep(0.01)
            if wire.sent:
                times.add(round(asyncio.get_running_loop().time(), 3))
                wire.sent.clear()
        return times

    assert len(await arrivals("conpty")) == 10
    assert len(await arrivals("scraper")) <= 4


def test_no_two_scrapers_speak_the_same_dialect() -> None:
    async def scenario(seed: int) -> str:
        wire = Wire("scraper", seed)
        wire.console.write("C:\\>")
        wire.renderer.start()
        wire.console.write("dir a\r\n\r\nC:\\>x" + "\r\n" * 30)
        return wire.take()

    assert len({run_virtual(scenario(seed)) for seed in range(30)}) > 10


@pytest.mark.parametrize("profile", ["ws2016", "ws2025"])
@virtual
async def test_a_channel_is_painted_again_when_it_comes_back(profile: str) -> None:
    at = Terminal(profile)
    await at.open()
    await at.type("hostname\r")
    before, place = at.rows, (at.screen.cursor.y, at.screen.cursor.x)
    await at.type(b"\x1b\t0 ")
    assert at.rows[-1] == "SAC>"
    assert (await at.type("ch -si 1\r")).endswith(b"view this channel.\r\n\r\n")
    said = await at.type(" ")
    assert said.startswith(b"\x1b[2J\x1b[1;1H\x1b[0m\x1b[22m\x1b[25m\x1b[27m\x1b[40m\x1b[37m")
    assert (at.rows, (at.screen.cursor.y, at.screen.cursor.x)) == (before, place)
    await at.type("echo on\x08\x08again\r")
    assert at.rows[-3:-1] == ["again", ""]


@virtual
async def test_a_blank_at_column_80_is_a_character_too() -> None:
    at = Terminal("ws2022")
    await at.open()
    for key in "echo " + "x" * 54 + " y":  # the blank is in the last cell of the row
        await at.type(key, wait=0.02)
    assert at.rows[3:] == [PROMPT + "echo " + "x" * 54, "y"]
    await at.type("\r")
    assert at.rows[5] == "x" * 54 + " y"


@pytest.mark.parametrize("seed", range(12))
@virtual
async def test_a_wide_character_may_stay_between_two_that_change(seed: int) -> None:
    wire = Wire("scraper", seed)
    screen = pyte.Screen(80, 24)
    stream = pyte.Stream(screen)
    wire.console.write("a操操b")
    wire.renderer.start()
    wire.console.write("\rc操操d")
    stream.feed(wire.take().replace("\0", ""))
    assert screen.display[0].rstrip() == "c操操d"
