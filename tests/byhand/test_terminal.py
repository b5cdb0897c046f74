"""The real thing under a pty: what it is while we have it, and that it comes back."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from typing import Any

import pexpect
import pytest

from serialfix.byhand import painter
from serialfix.byhand.terminal import Terminal
from serialfix.errors import UsageError


PROGRAM = """
import asyncio, sys
from serialfix.byhand.terminal import Terminal

class Somebody:
    def __init__(self):
        self.over = asyncio.Event()
        self.why = ""
        self.changes = 0

    def typed(self, data):
        self.why = f"keys {data!r}"
        self.over.set()

    def changed(self):
        self.changes += 1
        terminal.write(f"size {terminal.size} ")

    def ended(self, number):
        self.why = f"signal {int(number)}"
        self.over.set()

async def main():
    person = Somebody()
    try:
        terminal.enter(person)
        terminal.write("ready ")
        WORK
        await person.over.wait()
    finally:
        terminal.leave()
        terminal.leave()
        terminal.close()
        print("left after", person.why)

terminal = Terminal()
asyncio.run(main())
"""


def start(work: str = "pass") -> Any:
    program = PROGRAM.replace("WORK", work)
    child = pexpect.spawn(
        sys.executable, ["-c", program], dimensions=(24, 80), timeout=15, encoding="latin-1"
    )
    child.delaybeforesend = None
    return child


def settings(child: Any) -> list[Any]:
    return termios.tcgetattr(child.child_fd)


def test_raw_while_we_have_it_and_as_it_was_afterwards() -> None:
    child = start()
    before = settings(child)
    child.expect("ready ")
    assert not settings(child)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    child.setwinsize(30, 100)
    child.expect_exact("size (100, 30)")
    child.send("\x03")
    child.expect_exact("left after keys b'\\x03'")
    child.expect(pexpect.EOF)
    assert settings(child) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_is_told_and_the_terminal_is_given_back(number: signal.Signals) -> None:
    child = start()
    before = settings(child)
    child.expect("ready ")
    os.kill(child.pid, number)
    child.expect_exact(painter.END)
    child.expect_exact(f"left after signal {int(number)}")
    child.expect(pexpect.EOF)
    assert settings(child) == before


def test_a_terminal_that_takes_nothing_keeps_nobody_from_ending_us() -> None:
    child = start("terminal.write('x' * 1_000_000)")
    before = settings(child)
    deadline = time.monotonic() + 15
    while settings(child) == before:  # until it was entered; nobody reads what it writes
        assert time.monotonic() < deadline
    os.kill(child.pid, signal.SIGTERM)
    child.expect_exact("left after signal 15")
    child.expect(pexpect.EOF)
    assert settings(child) == before


def test_an_error_gives_it_back() -> None:
    child = start("1 / 0")
    before = settings(child)
    child.expect("ready ")
    child.expect_exact(painter.END)
    child.expect("ZeroDivisionError")
    child.expect(pexpect.EOF)
    assert settings(child) == before


def test_what_was_typed_ahead_is_dropped() -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-c", "input('first: ');" + PROGRAM.replace("WORK", "pass")],
        timeout=15,
        encoding="latin-1",
    )
    child.delaybeforesend = None
    child.expect("first: ")
    child.send("\nshutdown\n")
    child.expect("ready ")
    child.send("k")
    child.expect_exact("left after keys b'k'")
    child.expect(pexpect.EOF)


def test_a_terminal_that_hangs_up_is_told() -> None:
    child = start("sys.stdout = open('/dev/null', 'w')")
    child.expect("ready ")
    os.close(child.child_fd)
    child.closed = True
    deadline = time.monotonic() + 15
    while (done := os.waitpid(child.pid, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0


def test_no_terminal_no_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(UsageError, match="needs a terminal"):
            Terminal()
