"""One Windows VM, seen from its serial port: power, boot, SAC, CMD channels, registry.

Written from the facts (sac.md), independent of the driver; §10 there is the list of what a
faithful simulator must do. All time runs through the running asyncio loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Literal

from serialfix.lab import bootscreens
from serialfix.lab.accounts import Builtin
from serialfix.lab.disk import new_disk
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.machine import Machine, RemoteSession
from serialfix.lab.port import Port
from serialfix.lab.profiles import Language, Profile, Program, Renderer
from serialfix.lab.registry import Registry
from serialfix.lab.sac import Sac
from serialfix.lab.sactexts import UNAVAILABLE_SOON, machine_info
from serialfix.lab.texts import Texts
from serialfix.lab.timers import Timers


if TYPE_CHECKING:
    from serialfix.lab.wineprefix import Prefix

USERNAME = "azureadmin"
PASSWORD = "Lab-Passw0rd!!"  # noqa: S105 - opens nothing but the lab
_LEFT_BEHIND = r"dir C:\imp"

Phase = Literal["off", "firmware", "windows", "crashed", "mute"]


@dataclass(frozen=True, slots=True)
class Entered:
    """A line for which Enter reached a prompt: where (`SAC`, `Cmd0001`, `login`), what, when.

    Passwords are masked.
    """

    where: str
    line: str
    time: float


def _wine(language: Language) -> Prefix:
    from serialfix.lab.wineprefix import Prefix  # there is none on Windows

    return Prefix(language)


class Guest:
    """One Windows VM. Exchange `faults` at run time; `delays` are fixed.

    With the program `wine` the channels run a real cmd.exe on a registry of its own, in real
    time; the faults of reg.exe are `builtin`'s alone. Raises ConfigError when there is no Wine.

    Attributes:
        disk: registry, files, boot configuration, accounts: it survives everything.
        sessions: those of Remote Desktop that come back after each boot, for tests and demos.
        entered: the truth about what was entered.
        restarts: orderly restarts that somebody asked for (Azure, `shutdown /r`, SAC).
        boots: how often Windows began to boot, whatever the cause.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        program: Program = "builtin",
        renderer: Renderer | None = None,
        faults: Faults = Faults(),  # noqa: B008 - frozen
        seed: int = 0,
        username: str = USERNAME,
        password: str = PASSWORD,
        language: Language = "en",
        delays: Delays = Delays(),  # noqa: B008 - frozen
        builtin_administrator: Builtin = "renamed",
        nics: Sequence[str] = (),
    ) -> None:
        self.faults = faults
        self.entered: list[Entered] = []
        self.restarts = 0
        self.boots = 0
        self.sessions: list[RemoteSession] = []
        self._profile = profile
        self._renderer: Renderer = renderer or profile.renderer
        self._delays = delays
        self._rng = Random(seed)
        self._username = username
        self._seed = seed
        self._texts = Texts(language)
        self._computer = "SRV-ÉTÉ-東01" if faults.utf8_everywhere else "WIN-LAB01"
        self.disk = new_disk(
            profile,
            computer=self._computer,
            language=language,
            username=username,
            password=password,
            builtin=builtin_administrator,
            nics=nics,
        )
        self._prefix = _wine(language) if program == "wine" else None
        self._port = Port(faults=lambda: self.faults, delays=delays, rng=self._rng)
        self._phase: Phase = "off"
        self._going_down = False
        self._timers = Timers()
        self._sac: Sac | None = None
        self._machine: Machine | None = None
        self._debugged = False
        """A kernel debugger has the port: nothing can be typed (catalogue §3.1)."""
        self._line = ""
        if faults.stale_backlog:
            self._port.remember(bootscreens.STALE.encode())

    @property
    def registry(self) -> Registry:
        """On disk: it survives everything.

        Wine's is a copy of what is stored now; changes to it count only before the first boot.
        """
        if self._prefix is not None and self._prefix.written:
            return self._prefix.registry()
        return self.disk.registry

    @property
    def files(self) -> dict[str, str]:
        """On disk: texts by lower-case path."""
        return self.disk.files

    def snapshot(self) -> dict[str, object]:
        """Everything that a playbook may change, as JSON, and the services that run.

        Two pictures are equal when nothing is different, whatever was done in between.
        """
        disk = replace(self.disk, registry=self.registry)
        running = sorted(self._machine.running) if self._machine is not None else []
        return {**disk.snapshot(), "running": running}

    # The port.

    def listen(self, sink: Callable[[bytes], None] | None) -> None:
        """Who gets the output from now on, one at a time; a new listener gets no repaint."""
        self._port.listen(sink)

    def write(self, data: bytes) -> None:
        """Keystrokes from the port. Without power they are lost."""
        if self._phase != "off":
            self._port.receive(data, self._timers, self._deliver)

    def history(self, limit: int) -> bytes:
        """The last output, listened to or not."""
        return self._port.history(limit)

    def interject(self, text: str = bootscreens.AGENT) -> None:
        """Something else writes on the port: on the wire, and in nobody's picture (§8)."""
        self._port.emit(text)

    def murmur(self, text: str = "\r\nbackup: 3 files copied\r\n") -> None:
        """A program in the background prints into the channel in view."""
        if self._sac is not None:
            self._sac.murmur(text)

    def stall(self, seconds: float) -> None:
        """Output stands still for so long."""
        self._port.stall(seconds)

    def switch_away(self) -> None:
        """What SAC's time-out or another person does: SAC's banner is suddenly there."""
        if self._sac is not None:
            self._sac.switch_away()

    def lock(self) -> None:
        """What `lock` at SAC does: all CMD channels ask for the credentials again."""
        if self._sac is not None:
            for session in self._sac.sessions:
                session.lock()

    @property
    def channels(self) -> list[str]:
        """The CMD channels there are."""
        return [session.name for session in self._sac.sessions] if self._sac else []

    def _deliver(self, data: bytes) -> None:
        if self._sac is not None:
            if not self._debugged:
                self._sac.feed(data)
        elif self._phase == "crashed":
            self._bang_keys(data)

    # Power.

    @property
    def running(self) -> bool:
        """Whether the VM has power; `shutdown /s` ends it from within."""
        return self._phase != "off"

    def power_on(self) -> None:
        """Boot: firmware text, machine XML, SAC, later the CMD event. No effect when on."""
        if self._phase == "off":
            self._boot()

    def power_off(self) -> None:
        """At once: everything in RAM is gone, the registry is on disk."""
        self._timers.end()
        self._port.power_off()
        self._sac = None
        self._machine = None
        self._going_down = False
        self._phase = "off"
        if self._prefix is not None:
            self._prefix.stop()

    def restart(self) -> None:
        """Orderly: SAC announces it, channels end, Windows boots again."""
        self._go_down(restart=True, counts=True)

    def shutdown(self) -> None:
        """Orderly, and stays off."""
        self._go_down(restart=False)

    def reset(self) -> None:
        """A power cycle."""
        self.power_off()
        self._boot()

    def nmi(self) -> None:
        """An NMI from outside crashes Windows."""
        self.bugcheck()

    def bugcheck(self) -> None:
        """Stop error: `!SAC>` for a while, then Windows boots again."""
        if self._phase == "off":
            return
        self.power_off()
        self._timers = Timers()
        self._phase = "crashed"
        self._line = ""
        self._port.emit(bootscreens.bugcheck(self._machine_info()))
        self._timers.after(self._delays.bugcheck, self.reset)

    def _go_down(self, *, restart: bool, counts: bool = False) -> None:
        if self._phase == "off" or self._going_down:
            return
        self.restarts += counts
        self._going_down = True
        if self._sac is not None:
            self._sac.event(UNAVAILABLE_SOON)
            self._timers.after(self._delays.shutdown / 2, self._sac.close_all)
        self._timers.after(self._delays.shutdown, self.reset if restart else self.power_off)

    # Boot.

    def _boot(self) -> None:
        delays, faults = self._delays, self.faults
        self.boots += 1
        self._timers = Timers()
        self._phase = "firmware"
        self._timers.after(delays.firmware, self._port.emit, bootscreens.FIRMWARE)
        boot = delays.boot + faults.slow_boot
        menu = self.disk.bcd.menu_seconds
        if menu and self.disk.bcd.is_on("{bootmgr}", "bootems"):
            screen = bootscreens.INSTEAD_OF_SAC["boot_manager"]
            self._timers.after(delays.firmware, self._port.emit, screen)
        self._timers.after(boot + menu, self._start_windows)
        if faults.reboot_after_seconds and self.boots == 1:
            self._timers.after(faults.reboot_after_seconds, self._restart_itself)

    def _machine_info(self) -> str:
        guid = str(self._profile.build).rjust(8, "0") + "-5c1e-4f0a-9d3b-7a1c00d3a1b2"
        return machine_info(self._computer, guid, self._profile.build, self._profile.product)

    def _start_windows(self) -> None:
        match self.faults.sac_absent:
            case "bang_sac":
                self._phase = "crashed"
                self._port.emit(f"{self._machine_info()}\r\n!SAC>")
            case "silence" | "health_report" | "boot_manager" as screen:
                self._phase = "mute"
                self._port.emit(bootscreens.INSTEAD_OF_SAC[screen])
            case _ if not self.disk.bcd.is_on("{default}", "ems"):
                self._phase = "mute"
            case _:
                self._start_sac()

    def _boot_wine(self, prefix: Prefix) -> None:
        if not prefix.written:
            prefix.write(self.disk.registry)
        prefix.boot(services=() if self.faults.stopped_service else ("TermService",))

    def _start_sac(self) -> None:
        registry = self.registry  # what Windows reads when it boots
        self._debugged = self.disk.bcd.is_on("{default}", "debug")
        if self._prefix is not None:
            self._boot_wine(self._prefix)
        self.disk.write_certificates(Random(self._seed + self.boots))
        self._machine = machine = Machine(
            profile=self._profile,
            disk=self.disk if self._prefix is None else replace(self.disk, registry=registry),
            texts=self._texts,
            delays=self._delays,
            faults=lambda: self.faults,
            rng=self._rng,
            computer=self._computer,
            username=self._username,
            note=self._note,
            shutdown=lambda again: self._go_down(restart=again, counts=again),
            prefix=self._prefix,
            pids=Random(1000 * self._seed + self.boots),
            sessions=list(self.sessions),
        )
        machine.start_services()
        # What chance does to keys begins where it always did: the seeds of the tests count on it.
        for _ in range(12 if self.faults.stopped_service else 14):
            self._rng.randrange(400, 6000, 4)
        self._phase = "windows"
        self._sac = Sac(
            machine, self, renderer=self._renderer, timers=self._timers, emit=self._port.emit
        )
        self._port.emit(self._machine_info())
        self._sac.start()
        jitter = self._rng.uniform(0.8, 1.2)
        later = self._delays.cmd_available * jitter + self.faults.late_cmd
        self._timers.after(later, self._register, self._sac)

    def _register(self, sac: Sac) -> None:
        sac.register()
        if self.boots == 1:
            for number in range(self.faults.orphans):
                sac.launch(left="" if number else _LEFT_BEHIND)
            if self.faults.orphan_in_view and self.faults.orphans:
                sac.switch(1, view=True)

    def _restart_itself(self) -> None:
        self._go_down(restart=True)

    # What the faults hang on.

    def _note(self, where: str, line: str) -> None:
        now = asyncio.get_running_loop().time()
        self.entered.append(Entered(where, line, now))
        faults, count = self.faults, len(self.entered)
        for at, what in (
            (faults.reboot_after, self._restart_itself),
            (faults.bugcheck_after, self.bugcheck),
            (faults.unsolicited_switch_after, self.switch_away),
            (faults.noise_after, self.interject),
            (faults.murmur_after, self.murmur),
        ):
            if at == count:  # before the command has done its work, or just after
                self._timers.after(self._rng.uniform(0, 2 * self._delays.command), what)

    # !SAC

    def _bang_keys(self, data: bytes) -> None:
        """The few commands of `!SAC>`: restart, d, id, q, ? (§2.3)."""
        for char in data.decode("ascii", "ignore"):
            if char == "\b":
                self._line = self._line[:-1]
                continue
            if char not in "\r\n":
                self._line += char
                self._port.emit(char)
                continue
            line, self._line = self._line.strip().lower(), ""
            self._note("!SAC", line)
            if line == "restart":
                self.reset()
                return
            answer = {"?": bootscreens.BANG_HELP, "id": self._machine_info()}.get(line, "")
            self._port.emit(f"\r\n{answer}!SAC>")
