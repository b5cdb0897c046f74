"""sacsess.exe: the login of a CMD channel, and the cmd.exe behind it (sac.md §5)."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from serialfix.lab.cells import Cells
from serialfix.lab.commands import EXTERNAL, INTERNAL
from serialfix.lab.console import Console
from serialfix.lab.machine import Machine
from serialfix.lab.profiles import Renderer as RendererName
from serialfix.lab.render import ConPty, Renderer, Scraper
from serialfix.lab.shell import Keyboard, Shell
from serialfix.lab.timers import Timers


if TYPE_CHECKING:
    from serialfix.lab.wine import WineShell

_FAST = 0.25  # seconds: equal keys that come sooner may be multiplied


class Session:
    """One CMD channel from its creation to its end.

    `emit` gets what the channel shows, in view or not; `closed` is called when it ended by itself.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        name: str,
        guid: str,
        renderer: RendererName,
        timers: Timers,
        emit: Callable[[Session, str], None],
        closed: Callable[[Session], None],
        left: str | None = None,
    ) -> None:
        self.name = name
        self.guid = guid
        self._machine = machine
        self._renderer_name = renderer
        self._timers = timers
        self._emit = emit
        self._closed = closed
        self._rng = Random(machine.rng.random())
        self._cells = Cells()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._viewed = asyncio.Event()
        self._locked = asyncio.Event()
        self._in_view = False
        self._asking: Keyboard | None = Keyboard() if left is None else None
        self._shell: Shell | WineShell | None = None
        self._renderer: Renderer | None = None
        self._last_key = ("", float("-inf"))
        self._deaf_until = float("-inf")
        self._uses = 0
        self._task = timers.spawn(self._run(left))

    # What the SAC driver does with a channel.

    def view(self) -> None:
        """The channel comes into view: the first time sacsess begins, later it is repainted."""
        self._in_view = True
        first = not self._viewed.is_set()
        self._viewed.set()
        if self._renderer is not None and not self._locked.is_set():
            if not self._machine.faults().no_repaint:
                self._emit(self, self._renderer.repaint())
        elif not first:
            self._emit(self, self._cells.paint())

    def hide(self) -> None:
        """Another channel is in view; this one goes on."""
        self._in_view = False

    def lock(self) -> None:
        """Who views the channel next must log in again."""
        if self._renderer is not None and not self._locked.is_set():
            if not self._in_view:
                self._viewed.clear()
            self._locked.set()

    def murmur(self, text: str) -> None:
        """A program in the background prints; the line that is being typed goes on behind it."""
        if self._shell is not None:
            self._shell.console.write(text)

    def kill(self) -> None:
        """The channel is closed from outside."""
        self._task.cancel()
        if self._renderer is not None:
            self._renderer.stop()

    def key(self, byte: int) -> None:
        """A byte from the port."""
        for char in self._decoder.decode(bytes((byte,))):
            if self._asking is not None:
                self._asking.press(char)
            elif self._shell is not None:
                self._type(self._shell, char)

    def _type(self, shell: Shell | WineShell, char: str) -> None:
        """A key for the window, with what the console host does to keys (§7)."""
        faults, now = self._machine.faults(), asyncio.get_running_loop().time()
        (last, at), self._last_key = self._last_key, (char, now)
        if now < self._deaf_until:
            return
        times = 1
        if char == last:
            if now - at < faults.drop_repeats:
                return
            if now - at < _FAST and self._rng.random() < faults.multiply_repeats:
                times = self._rng.choice((2, 3))
        for _ in range(times):
            shell.press(char)
        self._watch_idle()

    def _watch_idle(self) -> None:
        """Lock the channel when no key comes for too long."""
        limit = self._machine.delays.idle_timeout
        self._uses += 1

        def look(uses: int) -> None:
            if uses == self._uses:
                self.lock()

        if limit:
            self._timers.after(limit, look, self._uses)

    # The life of the channel.

    async def _run(self, left: str | None) -> None:
        if left is None:
            await self._viewed.wait()
            if not await self._login():
                self._closed(self)
                return
        shell, renderer = await self._open_window()
        self._viewed.set()
        for char in left or "":
            shell.press(char)
        running = self._timers.spawn(shell.run())
        try:
            while not await self._ended(running):
                self._asking = Keyboard()
                await self._viewed.wait()
                if not await self._login():
                    break
                self._locked.clear()
                self._watch_idle()
                self._emit(self, renderer.repaint())
            else:
                self._leave(shell, renderer)
        finally:
            running.cancel()
            renderer.stop()
        self._closed(self)

    async def _ended(self, running: asyncio.Task[None]) -> bool:
        """Wait until the shell ended (True) or the channel is locked (False)."""
        locked = asyncio.ensure_future(self._locked.wait())
        try:
            await asyncio.wait((running, locked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            locked.cancel()
        if running.done():
            running.result()
        return running.done()

    async def _open_window(self) -> tuple[Shell | WineShell, Renderer]:
        machine = self._machine
        shell = self._start_shell()
        await shell.greet()
        console, delays = shell.console, machine.delays
        renderer: Renderer
        if self._renderer_name == "conpty":
            renderer = ConPty(console, self._show, tick=delays.conpty_frame)
        else:
            renderer = Scraper(console, self._show, tick=delays.scraper_tick, rng=self._rng)
        renderer.start()
        now = asyncio.get_running_loop().time()
        self._deaf_until = now + machine.faults().eat_first_keys
        self._shell, self._renderer = shell, renderer
        self._watch_idle()
        return shell, renderer

    def _start_shell(self) -> Shell | WineShell:
        machine = self._machine
        if machine.prefix is None:
            console = Console(delayed_wrap=self._renderer_name == "conpty")
            return Shell(machine, console, channel=self.name, internal=INTERNAL, external=EXTERNAL)

        from serialfix.lab.wine import WineShell  # there are no terminals on Windows

        def hangs(line: str) -> bool:
            text = machine.faults().hang_on
            return bool(text) and text in line

        return WineShell(
            machine.prefix,
            Console(delayed_wrap=True),
            note=lambda line: machine.note(self.name, line),
            hangs=hangs,
        )

    def _show(self, text: str) -> None:
        if not self._locked.is_set():
            self._emit(self, text)

    def _leave(self, shell: Shell | WineShell, renderer: Renderer) -> None:
        """As captured: the title once more, a line of sacsess, then the switch to SAC."""
        shell.console.entitle(shell.console.title)
        renderer.stop()
        self._emit(self, "\r\nThe Command Console session is exiting.\r\n\0")

    # The login.

    async def _login(self) -> bool:
        """Ask once. Each chunk that sacsess writes ends in a NUL; the echo does not (§5)."""
        machine = self._machine
        keys = self._asking = self._asking or Keyboard()
        self._cells.clear()
        self._emit(self, "\x1b[2J\x1b[0;0H")
        self._write("\r\nPlease enter login credentials.\r\n\0")
        user = await self._ask(keys, "Username: ")
        domain = await self._ask(keys, "Domain  : ")
        password = await self._ask(keys, "Password: ", masked=True)
        self._write("\r\nAttempting to authenticate...\r\n\0")
        await asyncio.sleep(machine.delays.login)
        self._asking = None
        local = domain.lower() in ("", ".", machine.computer.lower())
        known = machine.disk.accounts.logs_on(user, password)
        if local and known and not machine.faults().login_refused:
            return True
        self._write("\r\nUnable to authenticate.\r\n\0")
        return False

    async def _ask(self, keys: Keyboard, prompt: str, *, masked: bool = False) -> str:
        self._write(f"{prompt}\0")
        answer = ""
        while (key := await keys.get()) not in "\r\n":
            if key in "\b\x7f":
                if answer:
                    answer = answer[:-1]
                    self._write("\b \b")
            elif key >= " ":
                answer += key
                self._write("*" if masked else key)
        self._write("\r\n")
        self._machine.note("login", "*" * len(answer) if masked else answer)
        return answer

    def _write(self, text: str) -> None:
        self._cells.write(text)
        self._emit(self, text)
