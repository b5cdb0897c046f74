"""The SAC driver: line editor, commands, channels, and which one is in view (sac.md §2-4)."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from serialfix.lab import sactexts as say
from serialfix.lab.cells import Cells
from serialfix.lab.machine import Machine
from serialfix.lab.profiles import SERVICES
from serialfix.lab.profiles import Renderer as RendererName
from serialfix.lab.sacsess import Session
from serialfix.lab.timers import Timers


_SLOTS = 10
_LINE = 78  # what the line editor holds (§2.2)
_PAGE = 20
_EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_CTRL_C, _BELL, _BS, _TAB, _LF, _CR, _ESC, _DEL = 0x03, "\x07", 0x08, 0x09, 0x0A, 0x0D, 0x1B, 0x7F


class Power(Protocol):
    """What SAC can do to the system."""

    def restart(self) -> None: ...
    def shutdown(self) -> None: ...
    def bugcheck(self) -> None: ...


class Sac:
    """SAC between its start in a boot and the end of the system.

    Bytes go in by `feed`; `emit` gets what the port says.
    """

    def __init__(
        self,
        machine: Machine,
        power: Power,
        *,
        renderer: RendererName,
        timers: Timers,
        emit: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._power = power
        self._renderer: RendererName = renderer
        self._timers = timers
        self._emit = emit
        self._started = asyncio.get_running_loop().time()
        self._guid = self._new_guid()
        self._cells = Cells()
        self._slots: list[Session | None] = [None] * _SLOTS  # slot 0 is SAC itself
        self._created = 0
        self._current = 0
        self._banner = False
        self._escape = False
        self._zero_counts = False
        self._line = ""
        self._pages: deque[str] = deque()
        self._paging = True
        self._input: deque[int] = deque()
        self._busy = False
        self._registered = False
        self._interruptions = 0

    def start(self) -> None:
        """The first paint: all 24 rows, padded with blanks."""
        self._cells.write(say.BOOT + say.PROMPT)
        self._emit(self._cells.paint())
        for char in self._machine.faults().half_line:
            self._sac_key(ord(char))

    def register(self) -> None:
        """sacsvr is there: `cmd` works from now on, unless the service is disabled."""
        if "sacsvr" in self._machine.running:
            self._registered = True
            self.event(say.CMD_AVAILABLE)

    # Channels.

    @property
    def sessions(self) -> list[Session]:
        """The CMD channels there are."""
        return [session for session in self._slots if session is not None]

    def launch(self, *, left: str | None = None) -> Session | None:
        """A new CMD channel in the lowest free slot; its name counts on over the whole boot.

        With `left` somebody is logged in already and has left that text at the prompt.
        """
        if len(self.sessions) >= min(self._machine.faults().max_channels, _SLOTS - 1):
            return None
        self._created += 1
        session = Session(
            self._machine,
            name=f"Cmd{self._created:04d}",
            guid=self._new_guid(),
            renderer=self._renderer,
            timers=self._timers,
            emit=self._from_session,
            closed=self._session_closed,
            left=left,
        )
        slot = next(number for number in range(1, _SLOTS) if self._slots[number] is None)
        self._slots[slot] = session
        self.event(f"{say.CREATED}\r\nChannel: {session.name}")
        return session

    def switch(self, slot: int, *, view: bool = False) -> None:
        """Show a channel's banner, or at once the channel itself."""
        old = self._slots[self._current]
        if old is not None:
            old.hide()
        self._current, self._banner = slot, not view
        session = self._slots[slot]
        if view:
            self._view()
        elif session is None:
            names = ("SAC", "Special Administration Console", "Special Adminis")
            self._emit(say.channel_switch(*names, self._guid, say.SAC_TYPE))
        else:
            names = (session.name, "Command Prompt", "Command")
            self._emit(say.channel_switch(*names, session.guid, say.CMD_TYPE))

    def switch_away(self) -> None:
        """What a time-out or another person does: SAC's banner is suddenly there."""
        if self._current != 0:
            self.switch(0)

    def murmur(self, text: str) -> None:
        """A program in the background of the channel in view prints."""
        session = self._slots[self._current]
        if session is not None:
            session.murmur(text)

    def _view(self) -> None:
        self._banner = False
        session = self._slots[self._current]
        if session is None:
            self._emit(self._cells.paint())
        else:
            session.view()

    def close_all(self) -> None:
        """The system goes down: all CMD channels end, the port shows SAC's banner."""
        for session in self.sessions:
            self._close(session)
        self._registered = False

    def _close(self, session: Session) -> None:
        session.kill()
        self._session_closed(session)

    def _session_closed(self, session: Session) -> None:
        slot = self._slots.index(session)
        self._slots[slot] = None
        if slot == self._current:
            self.switch(0)
        self.event(f"{say.CLOSED}\r\nChannel: {session.name}")

    def _from_session(self, session: Session, text: str) -> None:
        if not self._banner and self._slots[self._current] is session:
            self._emit(text)

    def _new_guid(self) -> str:
        bits = self._machine.rng.getrandbits
        clock = 0x8000 | bits(14)  # variant and version of a UUID that holds a MAC (§4)
        return str(uuid.UUID(int=bits(48) << 80 | 0x11EF << 64 | clock << 48 | 0x000D3A1B2C3D))

    # Bytes from the port.

    def feed(self, data: bytes) -> None:
        """Keys. While a SAC command works they wait."""
        self._input.extend(data)
        while self._input and not self._busy:
            self._byte(self._input.popleft())

    def _byte(self, byte: int) -> None:
        zero_counts, self._zero_counts = self._zero_counts, False
        if self._escape:
            self._escape = False
            if byte == _TAB:
                self.switch(self._next_slot())
                self._zero_counts = True
                return
            session = self._slots[self._current]
            if session is not None and not self._banner:
                session.key(_ESC)  # in a CMD channel both bytes are passed on
        elif byte == _ESC:
            self._escape = True
            return
        if self._banner:
            if zero_counts and byte == ord("0"):
                self.switch(0)
            else:
                self._view()  # exactly this one byte is swallowed
            return
        session = self._slots[self._current]
        if session is None:
            self._sac_key(byte)
        else:
            session.key(byte)

    def _next_slot(self) -> int:
        order = [(self._current + step) % _SLOTS for step in range(1, _SLOTS + 1)]
        return next(slot for slot in order if slot == 0 or self._slots[slot] is not None)

    # The SAC channel.

    def _say(self, text: str) -> None:
        self._cells.write(text)
        if self._current == 0 and not self._banner:
            self._emit(text)

    def event(self, text: str) -> None:
        """Text that comes at any moment; a half-typed line stays, but is not shown again."""
        self._say(f"\r\n{text}\r\n{say.PROMPT}")

    def _sac_key(self, byte: int) -> None:
        if self._pages:
            if byte in (_CR, _LF):
                self._say("\r\n")
                self._next_page()
                if not self._pages:
                    self._say(say.PROMPT)
            return
        match byte:
            case _ if byte in (_CR, _LF):
                self._say("\r\n")
                self._enter()
            case _ if byte == _CTRL_C:  # runs the line as it is
                self._enter()
            case _ if byte in (_BS, _DEL):
                if self._line:
                    self._line = self._line[:-1]
                    self._say("\b \b")
            case _ if byte == _TAB:
                self._say(_BELL)
            case _ if 0x20 <= byte < 0x7F:
                full = len(self._line) >= _LINE
                self._line = self._line[: _LINE - 1] + chr(byte)
                self._say(("\b" if full else "") + chr(byte))
                self._interrupt()

    def _interrupt(self) -> None:
        wanted = self._machine.faults().event_while_typing
        if wanted and len(self._line) == 2 and self._interruptions < 3:
            self._interruptions += 1
            self.event(say.CMD_AVAILABLE)

    def _enter(self) -> None:
        line, self._line = self._line, ""
        self._machine.note("SAC", line)
        if not line.strip():
            self._say(say.PROMPT)
            return
        self._busy = True
        self._timers.after(self._machine.delays.sac_command, self._run, line)

    def _run(self, line: str) -> None:
        self._busy = False
        switched = self._dispatch(line.lower().strip())
        if switched is not None:
            self._cells.write(say.PROMPT)  # seen when SAC is painted again
            self.switch(switched)
        elif not self._pages:
            self._say(say.PROMPT)
        self.feed(b"")

    def _dispatch(self, line: str) -> int | None:
        """Commands match by their beginning, in this order (§2.2); a slot to switch to."""
        for prefix, command in (
            ("t", self._tlist),
            ("?", self._help),
            ("help", self._help),
            ("f", self._nothing),
            ("p", self._toggle_paging),
            ("id", self._identify),
            ("crashdump", self._crash),
            ("lock", self._lock),
            ("shutdown", self._shutdown),
            ("restart", self._restart),
            ("d", self._kernel_log),
            ("cmd", self._cmd),
        ):
            if line.startswith(prefix):
                command()
                return None
        word, _, rest = line.partition(" ")
        match word:
            case "ch":
                return self._ch(rest.split())
            case "i" if not rest:
                self._say(
                    "SAC is retrieving IP Addresses...\r\n"
                    "Net: 4, Ip=10.0.0.4  Subnet=255.255.255.0  Gateway=10.0.0.1\r\n"
                )
            case "i":
                self._say("SAC successfully set the IP Address, subnet mask, and gateway.\r\n")
            case "s":
                now = _EPOCH + timedelta(seconds=self._uptime())
                self._say(
                    f"{now:Date: %m/%d/%y  Time (GMT): %H:%M:%S:}{now.microsecond // 1000:04d}\r\n"
                )
            case "k" | "l" | "r" | "m":
                self._say(f"{say.BAD_ARGUMENT}\r\n")
            case _:
                self._say(f"{say.UNKNOWN}\r\n")
        return None

    def _uptime(self) -> float:
        return asyncio.get_running_loop().time() - self._started

    def _print(self, lines: list[str]) -> None:
        self._pages = deque(lines)
        self._next_page()

    def _next_page(self) -> None:
        room = _PAGE if self._paging else len(self._pages)
        for _ in range(min(room, len(self._pages))):
            self._say(self._pages.popleft() + "\r\n")
        if self._pages:
            self._say(say.MORE)

    def _nothing(self) -> None:
        pass

    def _help(self) -> None:
        self._print(say.HELP.splitlines())

    def _toggle_paging(self) -> None:
        self._paging = not self._paging
        self._say(f"Paging is now {'ON' if self._paging else 'OFF'}.\r\n")

    def _kernel_log(self) -> None:
        self._print([f"{number:03d}: kernel log record" for number in range(40)])

    def _tlist(self) -> None:
        days, rest = divmod(int(self._uptime()), 86400)
        clock = f"{rest // 3600:2d}:{rest // 60 % 60:02d}:{rest % 60:02d}.000"
        lines = [
            f"memory: 4193780 kb  uptime:{days:3d} {clock}",
            "",
            r"PageFile: \??\C:\pagefile.sys",
            "        Current Size:  720896 kb  Total Used:  22336 kb   Peak Used  22336 kb",
            "",
            " Memory:4193780K Avail:2610332K  TotalWs:1239936K InRam Kernel: 3980K P:98640K",
            " Commit:1271120K/ 880976K Limit:4914676K Peak:1420096K  Pool N:51196K P:99020K",
            "",
            "    User Time   Kernel Time    Ws   Faults  Commit Pri Hnd Thd  Pid Name",
        ]
        processes = {"System": 4, "smss.exe": 296, "wininit.exe": 496, "services.exe": 620}
        processes |= {f"svchost.exe ({name})": pid for name, pid in self._machine.running.items()}
        lines += [
            f"  0:00:00.015   0:00:00.093  5120     2048    1980   8 240   9 {pid:4d} {name}"
            for name, pid in processes.items()
        ]
        self._print(lines)

    def _identify(self) -> None:
        machine = self._machine
        uptime = int(self._uptime())
        clock = f"{uptime // 3600}:{uptime // 60 % 60:02d}:{uptime % 60:02d}"
        self._say(
            f"           Computer Name: {machine.computer}\r\n"
            f"           Computer GUID: {self._guid}\r\n"
            "  Processor Architecture: AMD64\r\n"
            "          Version Number: 10.0\r\n"
            f"            Build Number: {machine.profile.build}\r\n"
            f"                 Product: {machine.profile.product}\r\n"
            "    Applied Service Pack: None\r\n"
            f"  Time since last reboot: {clock}\r\n"
        )

    def _lock(self) -> None:
        for session in self.sessions:
            session.lock()
        self._say(f"{say.LOCKED}\r\n")

    def _crash(self) -> None:
        self._power.bugcheck()

    def _shutdown(self) -> None:
        self._when_old_enough("shutdown", self._power.shutdown)

    def _restart(self) -> None:
        if self._machine.faults().sac_restart_fails:
            self._say(f"{say.RESTART_FAILED}\r\n")
            return
        self._when_old_enough("restart", self._power.restart)

    def _when_old_enough(self, word: str, act: Callable[[], None]) -> None:
        missing = self._machine.delays.sac_restart_uptime - self._uptime()
        if missing > 0:
            self._say(f"SAC preparing to {word} the system.\r\n")
        self._timers.after(max(0.0, missing), act)

    def _cmd(self) -> None:
        faults, machine = self._machine.faults(), self._machine
        disabled = machine.registry.get(f"{SERVICES}\\sacdrv", "DisableCmdSessions")
        refusal = faults.channel_refused
        if not refusal and disabled is not None and disabled.data:
            refusal = "disabled"
        elif not refusal and not self._registered:
            refusal = "not_registered"
        elif not refusal and len(self.sessions) >= min(faults.max_channels, _SLOTS - 1):
            refusal = "maximum"
        self._say((say.REFUSED[refusal] if refusal else say.LAUNCHED) + "\r\n")
        if not refusal:
            delay = machine.delays.cmd_event * machine.rng.uniform(0.5, 1.5)
            self._timers.after(delay, self._launch)

    def _launch(self) -> None:
        self.launch()

    def _ch(self, words: list[str]) -> int | None:
        match words:
            case []:
                self._list()
            case ["-?"]:
                self._say(say.CHANNEL_HELP.replace("\n", "\r\n") + "\r\n")
            case [("-si" | "-sn" | "-ci" | "-cn") as option, target]:
                slot = self._slot_by_name(target) if option[2] == "n" else self._slot(target)
                if slot is None:
                    missing = say.NO_SUCH_NAME if option[2] == "n" else say.NO_SUCH_SLOT
                    self._say(f"{missing}\r\n")
                elif option[1] == "s":
                    return slot
                elif (session := self._slots[slot]) is not None:
                    self._close(session)
                else:
                    self._say(f"{say.NOT_CLOSABLE}\r\n")
            case _:
                self._say(f"{say.BAD_ARGUMENT}\r\n")
        return None

    def _slot(self, text: str) -> int | None:
        slot = int(text) if text.isdecimal() else _SLOTS
        return slot if slot == 0 or (slot < _SLOTS and self._slots[slot]) else None

    def _slot_by_name(self, name: str) -> int | None:
        names = {session.name.lower(): slot for slot, session in enumerate(self._slots) if session}
        return ({"sac": 0} | names).get(name)

    def _list(self) -> None:
        self._say(
            'Channel List\r\n\r\n(Use "ch -?" for information on using channels)\r\n\r\n'
            "# Status  Channel Name\r\n0 (AV)    SAC\r\n"
        )
        for slot, session in enumerate(self._slots):
            if session is not None:
                self._say(f"{slot} (AV)    {session.name}\r\n")
