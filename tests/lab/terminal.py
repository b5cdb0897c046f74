"""A person at the serial port of a lab guest, in virtual time; and a cmd.exe without a port."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, ParamSpec

import pyte

from serialfix.lab.commands import EXTERNAL, INTERNAL
from serialfix.lab.console import Console
from serialfix.lab.disk import new_disk
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import PASSWORD, USERNAME, Guest
from serialfix.lab.machine import Machine
from serialfix.lab.profiles import PROFILES, Language
from serialfix.lab.shell import Shell, Streams
from serialfix.lab.texts import Texts
from serialfix.virtual_time import run_virtual


P = ParamSpec("P")


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop whose waits cost no time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    del run.__wrapped__  # else pytest sees a coroutine function
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


class Terminal:
    """A guest and an 80x24 terminal on its port."""

    def __init__(self, profile: str = "ws2022", **settings: Any) -> None:
        self.guest = Guest(profile=PROFILES[profile], **settings)
        self.raw = bytearray()
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.guest.listen(self._receive)

    def _receive(self, data: bytes) -> None:
        self.raw += data
        self._stream.feed(data.replace(b"\0", b""))

    @property
    def rows(self) -> list[str]:
        """The screen, without the blanks at the ends of rows and of the screen."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    async def type(self, keys: str | bytes, *, wait: float = 0.5) -> bytes:
        """Press keys; what the port said until `wait` seconds later."""
        before = len(self.raw)
        self.guest.write(keys.encode() if isinstance(keys, str) else keys)
        await asyncio.sleep(wait)
        return bytes(self.raw[before:])

    async def boot(self) -> None:
        """Power on, up to the CMD event."""
        self.guest.power_on()
        await asyncio.sleep(3)

    async def banner(self) -> str:
        """A new channel, its banner up; its name."""
        said = (await self.type("cmd\r")).replace(b"\0", b"")
        name = re.findall(rb"Channel: (Cmd\d+)", said)[-1].decode()
        await self.type(f"ch -sn {name}\r")
        return str(name)

    async def login(self, password: str = PASSWORD) -> bytes:
        """From the banner to the prompt of cmd.exe, or to a refusal."""
        await self.type(" ")
        await self.type(f"{USERNAME}\r")
        await self.type("\r")
        return await self.type(f"{password}\r", wait=1)

    async def open(self) -> None:
        """Boot, channel, login."""
        await self.boot()
        await self.banner()
        await self.login()


class Prompt:
    """A cmd.exe whose lines are run without a window."""

    def __init__(
        self,
        profile: str = "ws2022",
        language: Language = "en",
        *,
        disk: dict[str, Any] | None = None,
        **faults: Any,
    ) -> None:
        self.faults = Faults(**faults)
        self.shutdowns: list[bool] = []
        self.machine = Machine(
            profile=PROFILES[profile],
            disk=new_disk(
                PROFILES[profile],
                computer="WIN-LAB01",
                language=language,
                username=USERNAME,
                password=PASSWORD,
                **(disk or {}),
            ),
            texts=Texts(language),
            delays=Delays.instant(),
            faults=lambda: self.faults,
            rng=Random(0),
            computer="WIN-LAB01",
            username=USERNAME,
            note=lambda where, line: None,
            shutdown=self.shutdowns.append,
        )
        self.machine.start_services()
        self.shell = Shell(
            self.machine,
            Console(delayed_wrap=True),
            channel="Cmd0001",
            internal=INTERNAL,
            external=EXTERNAL,
        )

    async def run(self, line: str, *answers: str) -> tuple[int, str]:
        """Run a line; %ERRORLEVEL% and all text, standard error too."""
        said: list[str] = []
        lines = deque(answers) if answers else None
        await self.shell.run_text(line, Streams(said.append, said.append, lines))
        return self.shell.errorlevel, "".join(said)

    async def out(self, line: str) -> str:
        """What a line prints."""
        return (await self.run(line))[1]
