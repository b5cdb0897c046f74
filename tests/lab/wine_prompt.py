"""A real cmd.exe whose lines are run one by one: the counterpart of `terminal.Prompt`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from serialfix.lab.console import Console
from serialfix.lab.profiles import PROFILES, Language, default_registry
from serialfix.lab.registry import Registry
from serialfix.lab.wine import WineShell
from serialfix.lab.wineprefix import Prefix


_DEADLINE = 30.0


class WinePrompt:
    """`async with WinePrompt() as cmd`: a booted Wine, and a cmd.exe at its prompt."""

    def __init__(
        self, language: Language = "en", *, hangs: Callable[[str], bool] = lambda line: False
    ) -> None:
        self.prefix = Prefix(language)
        self.entered: list[str] = []
        self.may_scroll = False
        self.console = Console(delayed_wrap=True)
        self._changed = asyncio.Event()
        self.console.watcher = self
        self.shell = WineShell(self.prefix, self.console, note=self.entered.append, hangs=hangs)

    async def __aenter__(self) -> Self:
        self.prefix.write(default_registry(PROFILES["ws2022"], "WIN-LAB01"))
        self.prefix.boot()
        await self.shell.greet()
        for key in "prompt $G\r":
            self.shell.press(key)
        await self.until(lambda: self.at_prompt)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shell.close()
        self.prefix.remove()

    # It watches its own window.

    def changed(self) -> None:
        self._changed.set()

    def scrolling(self, *, by_wrap: bool) -> None:
        assert self.may_scroll, "the output is longer than the window"

    def titled(self) -> None:
        pass

    @property
    def rows(self) -> list[str]:
        """The window, without the blanks at the ends of its rows."""
        return ["".join(row).rstrip() for row in self.console.rows]

    @property
    def at_prompt(self) -> bool:
        """Whether nothing is typed yet."""
        return self.console.column == 1 and self.console.rows[self.console.row][0] == ">"

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for something in the window."""
        async with asyncio.timeout(_DEADLINE):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def type(self, keys: str, *, then_at_prompt: bool = False) -> None:
        """Press keys, and wait until they show, or until nothing is left of what was typed."""
        for key in keys:
            self.shell.press(key)
        await self.until(lambda: self.at_prompt is then_at_prompt)

    async def enter(self, line: str) -> list[str]:
        """Run a line; the rows below it, down to the next prompt."""
        below = self.console.row + 1 + len(line) // 80
        await self.type(line)  # it shows, so the next prompt is another one
        self.shell.press("\r")
        await self.until(lambda: self.at_prompt)
        return self.rows[below : self.console.row]

    async def run(self, line: str) -> tuple[int, str]:
        """Run a line in an empty window; %ERRORLEVEL%, and what it printed."""
        await self.enter("cls")
        said = await self.enter(line)
        code = (await self.enter("echo [%errorlevel%]"))[0].strip("[]")
        return int(code), "\n".join(said).rstrip("\n")

    def stored(self) -> Registry:
        """End Wine, and what is in its files then."""
        self.shell.close()
        self.prefix.stop()
        return self.prefix.registry()
