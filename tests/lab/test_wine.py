from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import pytest

from serialfix.lab.console import Console
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import PASSWORD, USERNAME
from serialfix.lab.registry import Registry
from serialfix.lab.wine import Mirror
from serialfix.lab.wineprefix import missing
from serialfix.virtual_time import run_virtual
from tests.lab.terminal import Prompt, Terminal
from tests.lab.wine_prompt import WinePrompt
from tests.lab.wine_table import DIFFERENT, SAME


KEY = r"HKLM\SOFTWARE\Lab"
MESSAGE = re.compile(
    r"reg: .*|ERROR: .*|Type \"REG .*|The operation completed successfully\."
    r"|Can't recognize .*|.* is not recognized as an .*|operable program or batch file\."
    r"|.*file specified\.|Environment variable .*|File not found.*|Failed to open .*"
)
needs_wine = pytest.mark.skipif(
    bool(missing()),
    reason=f"{missing()}: not shown is that the lab's cmd.exe and reg.exe answer as Wine's do",
)

Answer = tuple[int, str]


def without_messages(text: str) -> str:
    """The rows that are the same in every language and every Windows."""
    rows = (row.rstrip() for row in text.replace("\r\n", "\n").split("\n"))
    return "\n".join(row for row in rows if not MESSAGE.fullmatch(row)).strip("\n")


def stored(registry: Registry) -> dict[str, object]:
    """All values in the lab's key, by path in lower case, as Windows compares names."""
    return {
        f"{path}|{name}".lower(): value
        for path, key in registry.walk(KEY)
        for name, value in [*key.values.values(), ("key", None)]
    }


async def in_the_lab(lines: list[str]) -> tuple[list[Answer], Registry]:
    prompt = Prompt()
    answers = [await prompt.run(line) for line in lines]
    return answers, prompt.machine.registry


async def in_wine(lines: list[str]) -> tuple[list[Answer], Registry, list[str]]:
    async with WinePrompt() as prompt:
        answers = [await prompt.run(line) for line in lines]
        return answers, prompt.stored(), prompt.entered


@needs_wine
async def test_the_lab_answers_as_wine_does() -> None:
    lines = [line.replace("KEY", KEY) for line in [*SAME.strip().splitlines(), *DIFFERENT]]
    theirs, their_registry, entered = await in_wine(lines)
    ours, our_registry = run_in_thread(lines)
    assert set(lines) <= set(entered)
    unlike = [
        line
        for line, one, other in zip(lines, ours, theirs, strict=True)
        if one[0] != other[0] or without_messages(one[1]) != without_messages(other[1])
    ]
    expected = [line.replace("KEY", KEY) for line in DIFFERENT]
    assert unlike == expected, [
        (line, one, other)
        for line, one, other in zip(lines, ours, theirs, strict=True)
        if (line in unlike) != (line in expected)
    ]
    one, other = stored(our_registry), stored(their_registry)
    names = {path.partition("|")[2] for path in one.keys() | other.keys()}
    assert {"sz", "n1", "m4", "q4", 'c"d /d x /f'} & names
    unlike_values = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    assert {path.partition("|")[2] for path in unlike_values} == {"w1", "w2", "w3"}


def run_in_thread(lines: list[str]) -> tuple[list[Answer], Registry]:
    """The lab's shell in virtual time needs a loop of its own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: run_virtual(in_the_lab(lines))).result()


def rows(console: Console) -> list[str]:
    return ["".join(row).rstrip() for row in console.rows]


def test_the_mirror_shows_what_wine_paints() -> None:
    console = Console(delayed_wrap=True)
    mirror = Mirror(console)
    mirror.feed(b"\x1b]0;C:\\cmd.exe\x07\x1b[?25lone\r\n\x1b[?25h>tw")
    assert (rows(console)[:2], console.title) == (["one", ">tw"], "C:\\cmd.exe")
    assert (console.row, console.column) == (1, 3)
    mirror.feed(b"o\x1b[2")  # cut within a sequence, and within a character
    mirror.feed(b"D\xc3")
    mirror.feed(b"\xa9\x1b[1C\x08!\x1b[K")
    assert rows(console)[1] == ">té!"
    mirror.feed(b"\x1b[1;2HN\x1b[5;1H\x1b[2A#")
    assert rows(console)[:3] == ["oNe", ">té!", "#"]


def test_a_full_row_is_followed_by_cr_lf() -> None:
    console = Console(delayed_wrap=True)
    mirror = Mirror(console)
    mirror.feed(b"x" * 80)
    assert (console.row, console.column) == (0, 80)
    mirror.feed(b"\r\ny")
    assert rows(console)[:2] == ["x" * 80, "y"]
    mirror.feed(b"\x1b[1A\r\x1b[79C \x08z")
    assert rows(console)[0] == "x" * 79 + "z"


def test_every_line_that_scrolls_by_reaches_the_window() -> None:
    console = Console(delayed_wrap=True)
    Mirror(console).feed("\r\n".join(f"line {n}" for n in range(40)).encode())
    assert console.scrolled == 16
    assert rows(console) == [f"line {n}" for n in range(16, 40)]


def test_wide_characters_are_placed_by_their_width() -> None:
    console = Console(delayed_wrap=True)
    mirror = Mirror(console)
    mirror.feed("操作 ok".encode())
    assert (rows(console)[0], console.column) == ("操作 ok", 7)
    mirror.feed(b"\x1b[2D!")
    assert (rows(console)[0], console.column) == ("操作 !k", 6)
    mirror.feed(b"\r" + "東".encode() * 60)
    assert len(rows(console)[0]) == 40  # what is too wide for the window is lost


def test_what_the_lab_does_not_know_is_said() -> None:
    with pytest.raises(ValueError, match="does not know"):
        Mirror(Console(delayed_wrap=True)).feed(b"\x1b[2J")


@needs_wine
async def test_keys_that_would_hurt_wine_do_what_they_do_on_windows() -> None:
    async with WinePrompt() as prompt:
        await prompt.type("nonsense")
        await prompt.type("\x1b", then_at_prompt=True)  # ESC erases the line
        await prompt.type("ecco\x7f\b")  # DEL and BS erase a character
        assert await prompt.enter("h\no one") == ["one", ""]  # an LF would spoil the next line
        await prompt.type("echo gone")
        await prompt.type("\x03", then_at_prompt=True)  # Ctrl-C would end cmd.exe
        assert await prompt.enter("echo two") == ["two", ""]
        assert prompt.entered == ["prompt $G", "echo one", "echo two"]


@needs_wine
async def test_keys_typed_ahead_wait_for_wine() -> None:
    async with WinePrompt() as prompt:
        lines = [f"rem {number} {'x' * 150}" for number in range(60)]
        prompt.may_scroll = True
        for line in [*lines, "echo there"]:  # twice as much as a terminal holds
            for key in f"{line}\r":
                prompt.shell.press(key)
        await prompt.until(lambda: "there" in prompt.rows)
        assert prompt.entered[1:-1] == lines


@needs_wine
async def test_a_line_that_hangs_ends_with_ctrl_c() -> None:
    async with WinePrompt(hangs=lambda line: line == "echo never") as prompt:
        await prompt.type("echo never\r")
        await prompt.type("echo lost\r\x03", then_at_prompt=True)
        assert await prompt.enter("echo back") == ["back", ""]
        assert prompt.entered == ["prompt $G", "echo never", "echo back"]


@needs_wine
@pytest.mark.parametrize("profile", ["ws2019", "ws2022"])
async def test_a_channel_runs_wine_with_the_labs_faults_and_renderers(profile: str) -> None:
    at = Terminal(
        profile,
        program="wine",
        faults=Faults(drop_repeats=0.5, split_writes=True, nul_everywhere=True),
        delays=Delays(firmware=0.05, boot=0.1, cmd_available=0.1),
    )

    async def answer(keys: str, wanted: Callable[[], bool]) -> None:
        at.guest.write(keys.encode())
        deadline = time.monotonic() + 30
        while not wanted():
            assert time.monotonic() < deadline, (keys, at.rows, at.guest.entered[-3:])
            await asyncio.sleep(0.01)

    def says(text: str) -> Callable[[], bool]:
        return lambda: text in "\n".join(at.rows)

    at.guest.power_on()
    await answer("", says("CMD command is now available"))
    await answer("cmd\r", says("Channel: Cmd0001"))
    await answer("ch -sn Cmd0001\r", says("Use any other key"))
    await answer(" ", says("Username:"))
    await answer(f"{USERNAME}\r", says("Domain"))
    await answer("\r", says("Password:"))
    await answer(f"{PASSWORD}\r", says("system32>"))
    await answer(
        "echo aabb>o.txt\r", lambda: len(at.rows) > 3 and at.rows[-1].endswith("system32>")
    )
    await answer("type o.txt\r", lambda: "ab" in at.rows)
    assert at.guest.entered[-2].line == "echo ab>o.txt"  # what reached the prompt
    await answer("exit\r", says("Use any other key"))
    assert b"The Command Console session is exiting." in at.raw.replace(b"\0", b"")
    at.guest.power_off()
