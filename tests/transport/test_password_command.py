"""The command that prints a password, as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import ConfigError
from serialfix.transport.password_command import printed_password, words_of


async def run(script: str, *more: str, timeout: float = 20, attended: bool = False) -> str:
    """A command of /bin/sh."""
    words = ["sh", "-c", script, "sh", *more]
    environ = {**os.environ, "GUEST": "environ"}
    return await printed_password(
        words, option="--x", timeout=timeout, environ=environ, attended=attended
    )


@pytest.mark.parametrize(
    ("script", "password"),
    [
        ("echo pw", "pw"),
        ("printf pw", "pw"),
        (r"printf 'pw\r\nnoise\n'", "pw"),
        (r"printf ' p w \n'", " p w "),
        ('echo "$GUEST"', "environ"),
        ("echo pw; echo said >&2", "pw"),
        ("cat; echo pw", "pw"),  # nobody is at its stdin
        ("echo pw; head -c 1000000 /dev/zero", "pw"),
    ],
)
async def test_the_first_line_is_the_password(script: str, password: str) -> None:
    assert await run(script) == password


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "--x ended with 3"),
        ("echo s3cret; echo no such vault >&2; exit 1", "--x ended with 1: no such vault"),
        ("echo s3cret; echo got s3cret >&2; exit 1", "1: got <redacted:guest_password>"),
        ("echo 's3  cret'; echo 'got s3  cret' >&2; exit 1", "1: got <redacted:guest_password>"),
        ("echo a; echo s3cret; echo got s3cret >&2; exit 1", "redacted:guest_password>"),
        (r"printf '\033]0;title\007' >&2; exit 1", r"1: \x1b]0;title\x07"),
        ("printf '%01000d' 0 >&2; echo the end >&2; exit 1", "the end"),
        ("kill -9 $$", "--x ended with -9"),
        ("true", "--x printed nothing"),
        ("echo; echo s3cret", "--x printed nothing"),
    ],
)
async def test_what_goes_wrong_is_told_without_the_password(script: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await run(script)
    assert words in str(caught.value)
    assert "s3" not in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_what_cannot_be_run() -> None:
    for words in (["/does/not/exist"], ["."], [""]):
        with pytest.raises(ConfigError, match=r"--x could not be run \(\w+Error\)"):
            await printed_password(words, option="--x", timeout=20)


proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="whether a process has ended is seen in /proc"
)


def has_begun(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


def has_ended(file: Path) -> bool:
    """Whether the process whose id the file holds is gone, or waits for init to notice."""
    try:
        stat = Path(f"/proc/{int(file.read_text())}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def end(file: Path) -> None:
    os.kill(int(file.read_text()), signal.SIGKILL)


async def until(condition: Callable[[Path], bool], file: Path) -> None:
    async with asyncio.timeout(20):
        while not condition(file):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@proc
async def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = 'sleep 600 & echo $! >"$1"; echo working on it >&2; wait'
    with pytest.raises(ConfigError, match=r"^--x did not end within 2 s: working on it$"):
        await run(script, str(file), timeout=2)
    await until(has_ended, file)


@proc
async def test_whoever_stops_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    work = asyncio.create_task(run('sleep 600 & echo $! >"$1"; wait', str(file)))
    await until(has_begun, file)
    assert not has_ended(file)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await until(has_ended, file)


@proc
async def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    """An agent that a command starts may hold its output for ever."""
    file = tmp_path / "pid"
    assert await run('sleep 600 & echo $! >"$1"; echo pw', str(file)) == "pw"
    assert not has_ended(file)
    end(file)


async def test_a_person_sees_what_it_says(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"^--x ended with 1$"):
        await run("echo device code 123 >&2; exit 1", attended=True)
    assert capfd.readouterr().err == "device code 123\n"


async def test_only_where_a_person_is_it_belongs_to_the_terminal() -> None:
    words = [sys.executable, "-c", "import os; print(os.getsid(0))"]
    here = str(os.getsid(0))
    for attended in (True, False):
        session = await printed_password(words, option="--x", timeout=20, attended=attended)
        assert (session == here) is attended


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)))
def test_words_are_split_as_a_shell_does(words: list[str]) -> None:
    assert words_of(shlex.join(words), windows=False) == words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (r"C:\bin\pw.exe --vm {vm}", [r"C:\bin\pw.exe", "--vm", "{vm}"]),
        (r'"C:\Program Files\pw.exe"  -n "a b" c', [r"C:\Program Files\pw.exe", "-n", "a b", "c"]),
        ('pw --name="a b" it\'s ""', ["pw", "--name=a b", "it's", ""]),
        ('pw "open end', ["pw", "open end"]),
        ("", []),
    ],
)
def test_words_of_windows(command: str, words: list[str]) -> None:
    assert words_of(command, windows=True) == words


def test_what_is_no_command() -> None:
    for command in ("'open", "a\0b"):
        with pytest.raises(ValueError, match=r"quotation|NUL"):
            words_of(command, windows=False)


async def test_no_shell_looks_at_the_words() -> None:
    words = ["; echo no", "$(echo no)", "`echo no`", "a  b", "*", "\n", "-n", "'\""]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    printed = await printed_password([sys.executable, "-c", code, *words], option="--x", timeout=20)
    assert json.loads(printed) == words
