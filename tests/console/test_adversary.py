"""Tables and sessions against an adversary that may do anything at any moment (Hypothesis).

An input that no table lists changes nothing; nothing but SAC's own commands is entered at `SAC>`;
Enter never follows an echo that is not the line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import serialfix.session
from serialfix.console import cmd, sac
from serialfix.console.machine import Console, Patience, Step
from serialfix.console.typist import Typist
from serialfix.errors import (
    ConsoleError,
    GatewayClosed,
    MachineMisuse,
    SerialfixError,
    SessionTakenOver,
)
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import PASSWORD, USERNAME, Guest
from serialfix.lab.profiles import PROFILES
from serialfix.secrets import Secret
from serialfix.session import Credentials, Session
from serialfix.virtual_time import VirtualTimeLoop
from tests.support.judge import HARMLESS_AT_BANG_SAC, HARMLESS_AT_SAC
from tests.support.rig import NONCE
from tests.support.wired import Wired


OLD_TEXT = (
    *("SAC>", "!SAC>", "\r\nSAC>", "Username: ", "\r\nPassword: ", "Domain  : ", f"{NONCE}>"),
    *(f"\r\n{NONCE}>", f"[{NONCE}.1 0]", "C:\\Windows\\system32>", "\r\n", "\b \b", "x", " " * 80),
    *("\x1b[2J\x1b[1;1H", "\x1b[24;1H", "\x1b[K", "\x1b[1;1H", "\0", "\x1b]0;title\x07", "\xe9"),
    "\r\nEVENT:   A new channel has been created.\r\nChannel: Cmd0009\r\nSAC>",
    "\r\nEVENT:   A channel has been closed.\r\nChannel: Cmd0001\r\nSAC>",
    "\r\nUnable to authenticate.\r\n",
    "Computer is booting, SAC started and initialized.\r\n",
    "# Status  Channel Name\r\n0 (AV)    SAC\r\n1 (AV)    Cmd0001\r\nSAC>",
    "The CMD command is now available.\r\nSAC>",
)
"""What may stand on a console without being true. SAC's XML is not among it: it is the proof."""
SIGNALS = (
    "<channel-switch>\r\n<name>Cmd0001</name>\r\n</channel-switch>\r\n",
    f"<channel-switch>\r\n<name>SAC</name>\r\n<application-type>{sac.PROMPT}</application-type>\r\n"
    "</channel-switch>\r\n",
    "<machine-info>\r\n</machine-info>\r\n",
    '<INSTANCE CLASSNAME="BLUESCREEN"><VALUE>"0xE2"</VALUE></INSTANCE>',
)
_SAC_TABLES = (sac.OPEN, sac.REJOIN, sac.RECLAIM, sac.CLOSE)


class Tables(RuleBasedStateMachine):
    """One machine at a time, shown anything, told anything."""

    @initialize(which=st.integers(0, 6))
    def begin(self, which: int) -> None:
        self.console = Console()
        self.machine: Any
        if which < len(_SAC_TABLES):
            self.machine = sac.SacMachine(
                _SAC_TABLES[which], Patience(), own="Cmd0001" if which else None, prompt=f"{NONCE}>"
            )
        elif which == 4:
            self.machine = cmd.LoginMachine(
                Patience(),
                channel="Cmd0001",
                username=USERNAME,
                domain="",
                password=PASSWORD,
                prompt=f"{NONCE}>",
            )
        elif which == 5:
            self.machine = cmd.CommandMachine(
                Patience(), line="ver", prompt=f"{NONCE}>", frame=f"{NONCE}.1"
            )
        else:
            self.machine = cmd.LeaveMachine(Patience(), channel="Cmd0001")
        self.sights = list(self.machine.sights)

    @rule(texts=st.lists(st.sampled_from((*OLD_TEXT, *SIGNALS)), min_size=1, max_size=4))
    def receive(self, texts: list[str]) -> None:
        self.console.feed("".join(texts).encode())

    @rule()
    def send(self) -> None:
        self.console.look_afresh()

    @rule()
    def look(self) -> None:
        """What is seen is listed, and is followed."""
        sight = self.machine.look(self.console)
        if sight is not None:
            goal = self.machine.row.leads[sight]
            self.machine.advance(sight)
            assert self.machine.state is goal

    @rule(which=st.integers(0, 100))
    def be_told(self, which: int) -> None:
        """A sight that is not listed changes nothing."""
        sight = self.sights[which % len(self.sights)]
        if sight not in self.machine.row.leads:
            self._refused(lambda: self.machine.advance(sight))

    @rule()
    def silence(self) -> None:
        if self.machine.row.quiet is None:
            self._refused(self.machine.silence)
        else:
            self.machine.silence()

    @rule()
    def time_out(self) -> None:
        state = self.machine.state
        if self.machine.row.step in (Step.END, Step.FAIL):
            return
        try:
            self.machine.expire(self.console)
        except ConsoleError:
            assert self.machine.state is state

    def _refused(self, misuse: Any) -> None:
        before = dict(vars(self.machine))
        with pytest.raises(MachineMisuse):
            misuse()
        assert vars(self.machine) == before

    @invariant()
    def says_what_it_may(self) -> None:
        machine = self.machine
        assert machine.state in machine.table
        if machine.row.step is Step.ENTER and isinstance(machine, sac.SacMachine):
            assert HARMLESS_AT_SAC.fullmatch(machine.keys), machine.keys
        if machine.row.step is Step.FAIL:
            error = machine.failure(self.console)
            assert isinstance(error, SerialfixError)
            assert error.remedy


class Watched(Wired):
    """A wire on which keys may get lost or come twice, and that looks on when Enter is pressed."""

    def __init__(self, guest: Guest, pressed: Any) -> None:
        super().__init__(guest)
        self.pressed = pressed
        self.times: list[int] = []
        """How often the next keys arrive."""

    async def send(self, keys: bytes, *, secret: bool = False) -> None:
        if keys == b"\r":
            self.pressed()
        often = b"".join(
            keys[at : at + 1] * (self.times.pop(0) if self.times and keys != b"\r" else 1)
            for at in range(len(keys))
        )
        await super().send(often, secret=secret)


LINES = ("ver", "hostname", "reg query HKLM\\SYSTEM\\Select", "cd", "dir aa")


class Sessions(RuleBasedStateMachine):
    """A real session with a guest of the lab, in virtual time, a moment at a time."""

    @initialize(
        profile=st.sampled_from(["ws2016", "ws2019", "ws2022"]),
        seed=st.integers(0, 50),
        faults=st.sampled_from(
            [Faults(), Faults(drop_repeats=0.125), Faults(lose_keys=0.05), Faults(late_keys=0.3)]
        ),
        steps=st.integers(0, 4),
    )
    def begin(self, profile: str, seed: int, faults: Faults, steps: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.guest = Guest(profile=PROFILES[profile], seed=seed, faults=faults, delays=Delays())
        self.wire = Watched(self.guest, self.pressed)
        self.session = Session(self.wire, nonce=NONCE)
        self.task: asyncio.Task[Any] | None = None
        self.stage = "apart"
        self.typist: Typist | None = None
        self.checked = 0
        self.lied = False
        machine = self

        class Seen(Typist):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                machine.typist = self

        self.patch.setattr(serialfix.session, "Typist", Seen)

        async def boot() -> None:
            self.guest.power_on()
            await asyncio.sleep(5)

        self.runner.run(boot())
        for _ in range(steps):
            self.go_on("on", "ver")

    def teardown(self) -> None:
        async def end() -> None:
            if self.task is not None:
                self.task.cancel()
                await asyncio.gather(self.task, return_exceptions=True)
            await self.session.close()
            self.guest.power_off()

        if hasattr(self, "runner"):
            self.runner.run(end())
            self.runner.close()
            self.patch.undo()

    def pressed(self) -> None:
        """Enter is on its way: the line stands on the screen, letter for letter."""
        if self.typist is None:
            return
        meant = "*" * len(self.typist.line) if self.typist.secret else self.typist.line
        screen = self.session.console.screen
        row, column = screen.cursor
        before = "".join("".join(screen.cells(y)) for y in range(row)) + "".join(
            screen.cells(row)[:column]
        )
        assert before.endswith(meant), (before[-100:], meant)
        # Enter may be pressed again where nothing answered: the line is still what it was.

    # --- what the driver does, in the order in which it does it ----------------------------------

    @rule(what=st.sampled_from(["on", "on", "on", "leave"]), line=st.sampled_from(LINES))
    def ask(self, what: str, line: str) -> None:
        """The next thing, when the one before has ended."""
        if self.task is not None and not self.task.done():
            return
        self._ended()
        if what == "leave" and self.stage in ("open", "ours"):
            self._start("left", self.session.leave())
        elif self.stage in ("apart", "left"):
            self._start("there", self.session.connect())
        elif self.stage == "there" and self.session.channel is not None:
            self._start("ours", self.session.rejoin(self._credentials))
        elif self.stage == "there":
            self._start("open", self.session.open_channel())
        elif self.stage == "open":
            self._start("ours", self.session.login(self._credentials))
        elif self.stage == "ours":
            self._start("ours", self.session.run(line))

    @rule(what=st.sampled_from(["on", "on", "on", "leave"]), line=st.sampled_from(LINES))
    def go_on(self, what: str, line: str) -> None:
        """The same, to its end."""
        self.ask(what, line)
        self.come_to_an_end()

    _credentials = Credentials(USERNAME, Secret(PASSWORD, "guest_password"))

    def _start(self, goal: str, work: Coroutine[Any, Any, Any]) -> None:
        self.goal = goal
        self.task = self.runner.get_loop().create_task(work)
        self.pass_time(0.01)

    def _ended(self) -> None:
        if self.task is None:
            return
        error, self.task = self.task.exception(), None
        assert error is None or isinstance(error, SerialfixError), error
        assert not isinstance(error, MachineMisuse), error
        self.stage = "apart" if error else self.goal

    # --- what happens to it ----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.004, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    @rule()
    def come_to_an_end(self) -> None:
        """What is under way, without further ado."""
        if self.task is not None and not self.task.done():

            async def wait() -> None:
                with contextlib.suppress(SerialfixError):
                    await asyncio.shield(self.task or asyncio.sleep(0))

            self.runner.run(wait())

    @rule(times=st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=6))
    def lose_or_double(self, times: list[int]) -> None:
        self.wire.times += times

    @precondition(lambda self: not getattr(self, "lied", True))
    @rule(text=st.sampled_from(OLD_TEXT))
    def read_a_lie(self, text: str) -> None:
        """Text on the wire that no window holds. Once: the pictures differ from then on."""
        self.lied = True

        async def say() -> None:
            self.guest.interject(text)

        self.runner.run(say())

    @rule(
        act=st.sampled_from(
            ["murmur", "stall", "switch_away", "lock", "bugcheck", "reset", "drop", "take-over"]
        )
    )
    def something_happens(self, act: str) -> None:
        async def happen() -> None:
            match act:
                case "drop" | "take-over":
                    self.wire.error = GatewayClosed if act == "drop" else SessionTakenOver
                    self.wire.cut()
                case "stall":
                    self.guest.stall(2.0)
                case _:
                    getattr(self.guest, act)()

        self.runner.run(happen())

    # --- what never happens ----------------------------------------------------------------------

    @invariant()
    def only_what_was_meant_was_entered(self) -> None:
        if not hasattr(self, "guest"):
            return
        for entry in self.guest.entered[self.checked :]:
            if entry.where == "SAC":
                assert HARMLESS_AT_SAC.fullmatch(entry.line), entry
            elif entry.where == "!SAC":
                assert HARMLESS_AT_BANG_SAC.fullmatch(entry.line), entry
        self.checked = len(self.guest.entered)


QUICK = settings(
    deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=40, max_examples=60
)


def test_the_tables_take_nothing_that_they_do_not_list() -> None:
    run_state_machine_as_test(Tables, settings=QUICK)


def test_a_session_enters_only_what_it_sees() -> None:
    run_state_machine_as_test(Sessions, settings=QUICK)
