"""The command that prints a guest's password: run without a shell, and never quoted.

What it prints goes nowhere but to the caller; an error says how it ended.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from serialfix.errors import ConfigError
from serialfix.printable import printable
from serialfix.secrets import Redactor, Secret


_KEPT = 64 << 10
"""Bytes of its output; a password is far shorter, and what is more is thrown away."""
_SHOWN = 300
_LINGER = 1.0
"""Seconds for the rest of its output, once it has ended."""


def words_of(command: str, *, windows: bool = sys.platform == "win32") -> list[str]:
    """The words of a command as the system's own shell splits them. Raises ValueError."""
    if "\0" in command:
        raise ValueError("a NUL character")
    if not windows:
        return shlex.split(command)
    # there a backslash is part of a path, and a single quote is no quote
    words = re.findall(r'(?:[^\s"]|"[^"]*(?:"|$))+', command)
    return [word.replace('"', "") for word in words]


async def printed_password(
    words: Sequence[str],
    *,
    option: str,
    timeout: float,
    environ: Mapping[str, str] | None = None,
    attended: bool = False,
) -> str:
    """The first line that the command prints. Raises ConfigError.

    `attended`: a person is at the terminal, who sees what the command says on stderr and may be
    asked there. Else that is in the error, without what stdout had, and a command that is late is
    ended with all that it started.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, output = await loop.subprocess_exec(
            _Output,
            *words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if attended else subprocess.PIPE,
            env=environ,
            start_new_session=not attended,
        )
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{option} could not be run ({type(error).__name__})") from None
    try:
        late = not await _within(timeout, output.exited)
        # what it left running may hold its output, and is none of our business
        await _within(0 if late else _LINGER, output.closed)
    finally:
        if not output.exited.is_set():
            _kill(transport, group=not attended)
            await output.exited.wait()
        transport.close()
    first, *more = output.of[1].decode("utf-8", "replace").split("\n")
    password = first.rstrip("\r")
    said = _tail(output.of[2], [password, *more])
    if late:
        raise ConfigError(f"{option} did not end within {timeout:g} s{said}")
    if code := transport.get_returncode():
        raise ConfigError(f"{option} ended with {code}{said}")
    if not password:
        raise ConfigError(f"{option} printed nothing{said}")
    return password


class _Output(asyncio.SubprocessProtocol):
    """What a command says: the beginning is kept, and it never has to wait for us."""

    def __init__(self) -> None:
        self.of = {1: bytearray(), 2: bytearray()}
        self.exited, self.closed = asyncio.Event(), asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.of[fd]
        kept += data[: _KEPT - len(kept)]

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _kill(process: asyncio.SubprocessTransport, *, group: bool) -> None:
    with suppress(ProcessLookupError):
        if group and sys.platform != "win32":
            os.killpg(process.get_pid(), signal.SIGKILL)
        else:
            process.kill()


def _tail(said: bytearray, printed: Sequence[str]) -> str:
    """The end of what it said on stderr, without what it printed on stdout."""
    redactor = Redactor(Secret(line.strip(), "guest_password") for line in printed)
    text = redactor.redact(said.decode("utf-8", "replace"))
    text = printable(" ".join(text.split()))
    return f": {text[-_SHOWN:]}" if text else ""
