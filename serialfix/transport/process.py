"""Any console that a command opens (`ssh`, `virsh console`, `telnet`, …), under a pty of 24x80."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from serialfix.errors import CommandEnded, CommandNotStarted, GatewayClosed, TransportError
from serialfix.transport.base import Transport
from serialfix.transport.commands import environment


Child = Any
"""A `pexpect.spawn`; its published types leave out half of it."""

_CHUNK = 1 << 16
_HELD = 4 << 20
"""Bytes that wait for `receive`; beyond them the command has to wait in its own write."""
_TAIL = 400
_POLL = 0.01
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\0-\x09\x0b-\x1f\x7f]")
_QUESTION = re.compile(
    rb"(?:'s password|assphrase for key [^\r\n]*|\(yes/no(?:/\[fingerprint\])?\)\?"
    rb"|verification code):?\s*$",
    re.IGNORECASE,
)
"""What ssh asks a person: our keys are for the console, and would be an answer."""


@dataclass(frozen=True, slots=True)
class ProcessPatience:
    """How long a command is waited for, in seconds."""

    stuck: float = 30.0
    """For it to take a key."""
    hangup: float = 3.0
    """For its end after SIGHUP; then comes SIGKILL."""
    ending: float = 1.0
    """For its exit code, once it has closed its terminal."""


class ProcessTransport(Transport):
    """The console that a command shows on its terminal.

    The terminal is raw: every byte passes as it is, in both directions. Each `connect` starts the
    command anew. Raises CommandNotStarted and CommandEnded.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        patience: ProcessPatience | None = None,
    ) -> None:
        self._command = list(command)
        self._environ = environment(environ)
        self._patience = patience or ProcessPatience()
        self._child: Child | None = None
        self._reset()

    def _reset(self) -> None:
        self._heard = bytearray()
        self._tail = b""
        self._news = asyncio.Event()
        self._over = False
        self._end: TransportError | None = None

    async def connect(self) -> None:
        """Start the command."""
        await self.close()
        self._reset()
        self._child = _spawn(self._command, self._environ)
        fd = self._child.child_fd
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read, fd)

    async def receive(self) -> bytes:
        """The next bytes that the console showed. Safe to cancel."""
        while not self._heard:
            child = self._running()
            if self._over:
                raise await self._ended(child)
            self._news.clear()
            await self._news.wait()
        data = bytes(self._heard)
        self._heard.clear()
        if self._child is not None and not self._over:  # it may have been held back
            fd = self._child.child_fd
            asyncio.get_running_loop().add_reader(fd, self._read, fd)
        return data

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        """Send keystrokes, as many at a time as the terminal takes."""
        child = self._running()
        if _QUESTION.search(self._tail):
            raise CommandNotStarted(
                f"the command of --console asks a person:{self._last_words()}",
                remedy="Nothing was typed. Make it ask nothing: a key in ssh's agent, a known "
                "host key, `-o BatchMode=yes`.",
            )
        rest = memoryview(keys)
        while rest:
            if self._over:
                raise await self._ended(child)
            try:
                rest = rest[os.write(child.child_fd, rest) :]
            except BlockingIOError:
                await self._room(child)
            except OSError:
                raise await self._ended(child) from None

    async def close(self) -> None:
        """Hang up: the command's terminal is gone, and SIGKILL comes for what does not care."""
        child, self._child = self._child, None
        if child is None:
            return
        self._over = True
        self._heard.clear()
        self._news.set()
        asyncio.get_running_loop().remove_reader(child.child_fd)
        try:
            child.ptyproc.fileobj.close()
            _signal(child, signal.SIGHUP)
            _signal(child, signal.SIGCONT)
            if not await _until_ended(child, self._patience.hangup):
                _signal(child, signal.SIGKILL)
                await _until_ended(child, self._patience.ending)
        finally:
            # before it is reaped: so long the id of its group belongs to nobody else
            _signal(child, signal.SIGKILL)
            child.ptyproc.delayafterclose = 0
            child.close()

    def _running(self) -> Child:
        if self._end is not None:
            raise self._end
        if self._child is None:
            raise GatewayClosed("the console's command is not running")
        return self._child

    def _read(self, fd: int) -> None:
        """Take what is there. The end of the command hangs its terminal up: that reads as EIO."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._heard += data
            self._tail = (self._tail + data)[-_TAIL:]
        else:
            self._over = True
        if self._over or len(self._heard) >= _HELD:
            asyncio.get_running_loop().remove_reader(fd)
        self._news.set()

    async def _room(self, child: Child) -> None:
        """Wait until the terminal takes keys again, or is closed; reading goes on meanwhile."""
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        loop.add_writer(child.child_fd, room.set)
        try:
            async with asyncio.timeout(self._patience.stuck):
                await room.wait()
        except TimeoutError:
            self._end = CommandEnded(
                f"the command of --console took no key for {self._patience.stuck:g} s",
                remedy="Its connection may have died. Continue with `serialfix resume`.",
            )
            raise self._end from None
        finally:
            loop.remove_writer(child.child_fd)

    async def _ended(self, child: Child) -> TransportError:
        """The command is over; from now on every call says why."""
        if self._end is None:
            if await _until_ended(child, self._patience.ending):
                _signal(child, signal.SIGKILL)
                child.isalive()
                code = child.exitstatus
                how = f"exit code {code}" if code is not None else f"signal {child.signalstatus}"
                how = f"ended with {how}"
            else:
                how = "closed its terminal"
            self._end = CommandEnded(f"the command of --console {how}{self._last_words(':')}")
        return self._end

    def _last_words(self, before: str = "") -> str:
        lines = _CONTROLS.sub(" ", self._tail.decode("utf-8", "replace")).split("\n")
        spoken = [line.strip() for line in lines if line.strip()]
        return f"{before} {spoken[-1][-160:]}" if spoken else ""


def _spawn(command: list[str], environ: dict[str, str]) -> Child:
    if sys.platform == "win32":
        raise CommandNotStarted(
            "a console's command runs under a pty, and Windows has none",
            remedy="Run serialfix on Linux, on macOS, or in the Windows Subsystem for Linux.",
        )
    import tty

    import pexpect

    program, *arguments = command
    if not arguments:  # pexpect would split it
        program = re.sub(r"(\W)", r"\\\1", program)
    try:
        with warnings.catch_warnings():
            # Python warns of a fork beside threads; the child sets its terminal up and runs
            warnings.simplefilter("ignore", DeprecationWarning)
            return pexpect.spawn(
                program,
                arguments,
                env=environ,
                dimensions=(24, 80),
                echo=False,
                preexec_fn=lambda: tty.setraw(0),
            )
    except (pexpect.ExceptionPexpect, OSError, ValueError) as error:
        raise CommandNotStarted(
            f"the command of --console cannot be run: {command[0]}: "
            + (getattr(error, "strerror", None) or "no such program"),
            remedy="Check its name and PATH; a relative path counts from the present folder.",
        ) from error


def _signal(child: Child, number: signal.Signals) -> None:
    """To the command and all of its group; not once it was reaped: the id may be another's."""
    if not child.terminated:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)


async def _until_ended(child: Child, within: float) -> bool:
    """Whether the command ended in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (ended := _has_ended(child)) and loop.time() < deadline:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(_POLL)
    return ended


def _has_ended(child: Child) -> bool:
    if child.terminated:
        return True
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return not child.isalive()
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, child.pid, flags) is not None
