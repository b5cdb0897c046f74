"""One attachment to a console, from connect to leave: the tables played over a transport.

The session owns time: it gives every wait its deadline, sends what the machines ask for, records
both directions, and keeps what it has learned about the guest's pace.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any

from serialfix.console import cmd, sac
from serialfix.console.actions import BACKSPACE, CR, Action, Cause, Finished, Press, Wait
from serialfix.console.machine import Console, Machine, Patience, Row, Step
from serialfix.console.others import GIVE_BACK, Arrival, ConsiderateMachine
from serialfix.console.sac_restart import RestartMachine
from serialfix.console.typist import QUICKEST, REPAIRS, SAC_LINE, Pace, Typist
from serialfix.console.wire import ChannelSwitch
from serialfix.errors import (
    ChannelError,
    ConsoleError,
    EchoMismatch,
    ExpectTimeout,
    GatewayClosed,
    GuestRebooted,
    SerialfixError,
)
from serialfix.secrets import Secret
from serialfix.transport.base import Transport


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in to the guest; an empty domain is a local account."""

    username: str
    password: Secret
    domain: str = ""


_ENTERS = 3
"""How often Enter is pressed again where nothing answers."""
_LOOKS = 3
"""How often one line has our channel painted anew."""
_BOOTED = re.compile("Computer is booting, SAC started")
_SLOWEST_TICK = 0.15
"""Seconds; a longer pause within an echo is no renderer's tick but a hesitation."""


def new_nonce(source: random.Random | None = None) -> str:
    """A short name that no other session has, without equal neighbours (slow consoles lose them).

    >>> len(new_nonce())
    5
    """
    chooser = source or random.SystemRandom()
    letters, digits = "bcdfghjkmnpqrstvwxz", "23456789"
    first = chooser.choice(letters)
    return first + "".join(chooser.sample(letters.replace(first, "") + digits, 4))


async def _nothing(*_about: object) -> None:
    """What is to be done before Enter is pressed, but for a restart or a new channel."""


class Session:
    """The dialogue with one VM. Use it from one task.

    Every method raises `TransportError` when the way to the console fails, and `ConsoleError` when
    the dialogue does; the error says what was expected and holds the last screen.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        nonce: str,
        patience: Patience | None = None,
        marker: Callable[[str], None] | None = None,
    ) -> None:
        self.transport = transport
        self.patience = patience or Patience()
        self.marker = marker or (lambda _text: None)
        """Marks a place in the recording."""
        self.alive: Callable[[str], None] = lambda _text: None
        """Is told now and then what a command that takes long is waited for."""
        self.console = Console()
        self._pace = self._early_pace = Pace()
        self._shell_pace = Pace()
        """Kept apart: what SAC and the login take is no proof for a shell (sac.md §7)."""
        self.prompt = f"{nonce}>"
        self.channel: str | None = None
        """The CMD channel that this session created; the only one it uses or closes."""
        self.others: tuple[str, ...] = ()
        """CMD channels that were there before."""
        self.refuse_foreign = False
        """Whether to leave, with ConsoleInUse, where somebody else's session is in view."""
        self.launching: Callable[[list[str]], Awaitable[object]] = _nothing
        """Is told which CMD channels there are, just before SAC is asked for ours."""
        self.entered = False
        """Whether Enter was pressed on the line that `run` was last given."""
        self.shells = 0
        """How many shells were opened: a new one knows nothing of the one before."""
        self.logged_on = False
        """Whether the password was entered: a second logon is never tried by itself then."""
        self._stray = False
        """Whether `cmd` was entered and the connection lost before the channel's name was seen."""
        self.arrival = Arrival()
        self._before_enter: Callable[[], Awaitable[object]] = _nothing
        self._frames = (f"{nonce}.{n}" for n in count(1) if not _has_pair(str(n)))
        self._pending: asyncio.Task[bytes] | None = None
        self._inside = False
        self._titles = 0
        self._stream = False
        self._tick = 0.0
        self._last = 0.0
        self._pressed: float | None = None

    # --- what a caller does ---------------------------------------------------------------------

    async def connect(self) -> None:
        """Attach; may be called again after a drop."""
        await self.close()
        await self.transport.connect()
        self.console.reattached()
        self._inside = False

    async def open_channel(self) -> None:
        """From wherever the console stands to the login of a new CMD channel, which is ours."""
        await self._open(sac.State.ARRIVE)

    async def login(self, credentials: Credentials) -> None:
        """From the Username prompt of our channel to a shell under our own prompt."""
        await self._play(
            cmd.LoginMachine(
                self.patience,
                channel=self.channel or "",
                username=credentials.username,
                domain=credentials.domain,
                password=credentials.password.reveal(),
                prompt=self.prompt,
            )
        )

    async def rejoin(self, credentials: Credentials, *, sure: bool = True) -> bool:
        """After a drop: back to our channel, its half-typed line erased.

        When the channel is gone, a new one is opened and False is returned. Unless we are `sure`
        that the guest did not restart, the channel of our name counts as ours only when it shows
        our prompt: names are given anew after a restart (sac.md §3).
        """
        self._inside = False
        if self.channel is None:
            await self._open(sac.State.ARRIVE)
            await self.login(credentials)
            return False
        table = sac.REJOIN if sure else sac.RECLAIM
        machine = self._way(table, own=self.channel, prompt=self.prompt)
        await self._play(machine)
        if machine.state is sac.State.GONE:
            if sure:  # it is ours, whatever it shows
                await self._close_channel(sac.State.HOME)
            self.channel = None
            await self._open(sac.State.HOME)
            await self.login(credentials)
            return False
        self._inside = True
        if machine.state is sac.State.LOGIN:  # SAC's time-out asks again (sac.md §5)
            await self.login(credentials)
        await self._type("", prompt=self.prompt)
        return True

    async def run(self, line: str, *, within: float | None = None) -> cmd.CommandResult:
        """Run one command line; `within` seconds instead of the usual deadline.

        The line is entered at most once; whether it was, `entered` tells when this raises.
        """
        self.entered = False
        patience = self.patience if within is None else replace(self.patience, run=within)
        machine = cmd.CommandMachine(
            patience, line=line, prompt=self.prompt, frame=next(self._frames)
        )
        for look in range(_LOOKS + 1):
            try:
                await self._play(machine)
                break
            except (EchoMismatch, ExpectTimeout) as error:
                if look == _LOOKS:
                    raise
                await self._look_anew(error)
                # Keys keep their order: a line that still stands there was not entered, and no
                # Enter for it is under way any more.
                standing = bool(self.console.screen.typed(self.prompt))
                if machine.state is cmd.State.RUN and self.entered and not standing:
                    machine.advance(cmd.Sight.OUR_PROMPT)
                elif machine.state is cmd.State.RUN:
                    self.entered = False
                await self._type("", prompt=self.prompt)
        return machine.result()

    async def _look_anew(self, error: ConsoleError) -> None:
        """Have our channel painted once more: text that came past its renderer, such as a health
        report, stays on our screen and hides what is there (sac.md §8). Raises the error when our
        prompt is not seen then: the command still runs, or hangs.
        """
        if not self._inside:
            raise error
        self._inside = False
        machine = sac.SacMachine(
            sac.REJOIN, self.patience, own=self.channel, prompt=self.prompt, start=sac.State.HOME
        )
        try:
            await self._play(machine)
        except ConsoleError:
            raise error from None
        if machine.state is sac.State.LOGIN:
            raise ChannelError(
                f"SAC asks for the credentials of {self.channel} again",
                expected="our prompt",
                screen=self.console.screen.text(),
                remedy="SAC's time-out, or `lock`, does this. Run it again.",
            ) from error
        if machine.state is not sac.State.SHELL:
            raise error
        self._inside = True

    async def leave(self) -> str:
        """Leave the console clean; gives "" or, in words, what could not be done. Never raises.

        Where the connection dropped, it is made once more for this: a prompt of an administrator
        must not stay behind. A take-over is not fought. Somebody's channel that was in view comes
        into view again.
        """
        stray = "SAC may have opened a channel for us that was left behind" if self._stray else ""
        self._stray = False
        try:
            try:
                await self._clear_up(sac.State.HOME)
            except GatewayClosed:
                await self.connect()
                await self._clear_up(sac.State.ARRIVE)
        except SerialfixError as error:
            if self.channel is not None:
                return f"channel {self.channel} was left behind: {error}"
            return f"{self.arrival.theirs}, which was in view, is not any more: {error}"
        finally:
            self._inside = False
        return stray

    async def _clear_up(self, start: sac.State) -> None:
        if self.channel is not None:
            await self._close_channel(start)
            self.channel, start = None, sac.State.HOME
        if (theirs := self.arrival.theirs) is not None:
            await self._play(sac.SacMachine(GIVE_BACK, self.patience, own=theirs, start=start))
            self.arrival.theirs = None

    async def _close_channel(self, start: sac.State) -> None:
        if not await self._exit():
            self._inside = False
            await self._play(
                sac.SacMachine(sac.CLOSE, self.patience, own=self.channel, start=start)
            )

    async def _exit(self) -> bool:
        """The polite way out; not from a command that hangs, nor from somewhere else."""
        if not self._inside or self.console.screen.typed(self.prompt) is None:
            return False
        try:
            await self._type("", prompt=self.prompt)
            machine = cmd.LeaveMachine(self.patience, channel=self.channel or "")
            await self._play(machine)
        except ConsoleError:
            return False
        return machine.state is cmd.State.LEFT

    async def restart(self, requested: Callable[[], Awaitable[object]]) -> bool:
        """Have SAC restart the system; `requested` is awaited just before the one Enter.

        Gives whether the system was seen to go down; raises RestartRefused when SAC says that it
        failed.
        """
        self._inside = self.entered = False
        self._before_enter = requested
        machine = RestartMachine(self.patience)
        try:
            await self._play(machine)
        finally:
            self._before_enter = _nothing
        return machine.going_down

    async def close(self) -> None:
        """End the attachment; does nothing when there is none."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
            self._pending = None
        await self.transport.close()

    # --- playing tables -------------------------------------------------------------------------

    def _way(
        self,
        table: Mapping[sac.State, Row[sac.State, sac.Sight]],
        start: sac.State = sac.State.ARRIVE,
        **more: Any,
    ) -> sac.SacMachine:
        if self.refuse_foreign and start is sac.State.ARRIVE:
            return ConsiderateMachine(table, self.patience, self.arrival, **more)
        return sac.SacMachine(table, self.patience, start=start, **more)

    async def _open(self, start: sac.State) -> None:
        self._titles, self._stream = self.console.wire.titles, False
        machine = self._way(sac.OPEN, start)
        try:
            await self._play(machine)
        finally:
            self.channel = machine.own
            asked = machine.launched or machine.state is sac.State.LAUNCH
            refused = machine.row.step is Step.FAIL and machine.state is not sac.State.MISSING
            self._stray |= asked and machine.own is None and not refused
            self.others = tuple(channel.name for channel in machine.others)
        self._inside = True

    async def _play(self, machine: Machine[Any, Any]) -> None:
        """Perform a machine's states until it ends; raises the error of a FAIL state."""
        while machine.row.step not in (Step.END, Step.FAIL):
            await self._enter(machine)
            await self._watch(machine)
        if machine.row.step is Step.FAIL:
            raise machine.failure(self.console)

    async def _enter(self, machine: Machine[Any, Any]) -> None:
        row = machine.row
        match row.step:
            case Step.PRESS:
                self.console.look_afresh()
                await self._send(machine.keys)
            case Step.ENTER | Step.ENTER_MASKED:
                if machine.state is cmd.State.PROMPT:
                    self.shells += 1
                    # A scraper need not clear what the login left behind the prompt: to the
                    # guest, whose window is new, those cells are blank.
                    self.console.screen.blank_after_cursor()
                masked = row.step is Step.ENTER_MASKED
                await self._type(
                    machine.keys,
                    prompt=self.console.screen.before_cursor().rstrip(),
                    secret=masked,
                    at_sac=machine.at_sac,
                    repairs=row.retypes or REPAIRS,
                )
                self.console.look_afresh()
                try:
                    if isinstance(machine, sac.SacMachine) and machine.state is sac.State.LAUNCH:
                        await self.launching([channel.name for channel in machine.others])
                    await self._before_enter()
                except SerialfixError:  # the word must not wait for somebody else's Enter
                    with suppress(SerialfixError):
                        await self._send(BACKSPACE * SAC_LINE)
                    raise
                self.entered = True
                self.logged_on |= masked
                await self._send(CR)

    async def _watch(self, machine: Machine[Any, Any]) -> None:
        """Wait for a sight of the present state, its silence, or its deadline."""
        start = self._last = self._now()
        row, heard, patience = machine.row, self.console.received, self.patience
        enters = _ENTERS if row.step in (Step.ENTER, Step.ENTER_MASKED) and row.again else 0
        pressed, sign = start, start + patience.alive
        while True:
            if (sight := machine.look(self.console)) is not None:
                settle = self._settle() if row.settled else 0.0
                if settle and await self._receive(settle):
                    continue
                machine.advance(sight)
                if sight is cmd.Sight.SAC_IN_VIEW:  # listed where our channel may end
                    self._inside = False
                return
            self._check_place()
            deadline = start + machine.within
            if row.follows:
                deadline = min(self._last + machine.within, start + patience.longest)
            nothing = self.console.received == heard
            dues = {"deadline": deadline, "sign": sign}
            if row.quiet is not None:
                quiet = patience.backlog_none if nothing else patience.backlog_quiet
                dues["quiet"] = self._last + quiet
            if enters and nothing:
                dues["enter"] = pressed + patience.enter
            due = min(dues, key=lambda name: dues[name])
            if await self._receive(dues[due] - self._now()):
                continue
            match due:
                case "deadline":
                    machine.expire(self.console)
                    return
                case "quiet":
                    machine.silence()
                    return
                case "enter":
                    enters, pressed = enters - 1, self._now()
                    await self._send(CR)
                case "sign":
                    sign += patience.alive
                    seconds = self._now() - start
                    self.alive(f"after {seconds:.0f} s still waiting for {row.expects}")

    async def _type(
        self,
        line: str,
        *,
        prompt: str,
        secret: bool = False,
        at_sac: bool = False,
        repairs: int = REPAIRS,
    ) -> None:
        """Have a line typed and verified; nothing is entered."""
        early = at_sac or prompt.endswith(":")
        self._pace = self._early_pace if early else self._shell_pace
        typist = Typist(
            line,
            prompt,
            self._pace,
            secret=secret,
            whole_clear=at_sac,
            strict=bool(line) and prompt == self.prompt,
            repairs=repairs,
            frame=0.0 if early else self._settle(),
        )
        cause = Cause.START
        waiting: tuple[str, float] | None = None
        while True:
            action: Action = typist.next(cause, self.console.screen)
            match action:
                case Finished():
                    return
                case Press(keys, is_secret):
                    await self._send(keys, secret=is_secret)
                    cause, waiting = Cause.START, None
                case Wait(what, within, quiet):
                    now = self._now()
                    if waiting is None or waiting[0] != what:
                        waiting = (what, now + within)
                        self._last = now
                    until = waiting[1] if quiet is None else min(waiting[1], self._last + quiet)
                    if await self._receive(until - now, echo=prompt == self.prompt):
                        cause = Cause.OUTPUT
                        self._check_place()
                    else:
                        cause = Cause.EXPIRED if self._now() >= waiting[1] else Cause.QUIET

    def _check_place(self) -> None:
        """While we are in our channel: did the guest, or somebody, take it from under us?"""
        if not self._inside:
            return
        console = self.console
        screen = console.screen
        if console.stop_error is not None or screen.before_cursor() == "!SAC>":
            code = console.stop_error.code if console.stop_error else "unknown"
            self._gone()
            raise GuestRebooted(
                f"the guest crashed (Stop error {code}) while we worked in it",
                screen=screen.text(),
                remedy="Let the guest come back, then continue with `serialfix resume`.",
            )
        if console.started or any(map(_BOOTED.match, (screen.row(0), screen.row(1)))):
            self._gone()
            raise GuestRebooted(
                "the guest restarted while we worked in it",
                screen=screen.text(),
                remedy="Somebody or something restarted the VM. When it is up again, continue with "
                "`serialfix resume`.",
            )
        if (switch := console.switch) is not None and not self._is_ours(switch):
            self._inside = False
            raise ChannelError(
                f"the console went from our channel {self.channel} to {switch.name}",
                expected=f"channel {self.channel}",
                screen=screen.text(),
                remedy="Another user, SAC's time-out, `lock`, or the end of cmd.exe does this. "
                "Continue with `serialfix resume`.",
            )

    def _gone(self) -> None:
        """A restart ends all channels: there is nothing to leave, and the name may be reused."""
        self._inside = False
        self.channel = None

    def _is_ours(self, switch: ChannelSwitch) -> bool:
        return self.channel is not None and switch.name.lower() == self.channel.lower()

    # --- bytes and time -------------------------------------------------------------------------

    def _settle(self) -> float:
        """How long a painting renderer must be quiet before its frame counts as whole.

        ConPTY sends a stream in order, and shows itself by window titles; a scraper paints what
        changed at its own tick (sac.md §6.2), which is measured.
        """
        self._stream |= self.console.wire.titles > self._titles
        return 0.0 if self._stream else max(0.03, 2 * self._tick)

    async def _send(self, keys: str, *, secret: bool = False) -> None:
        data = keys.encode()
        await self.transport.send(data, secret=secret)
        self._pressed = self._now()

    async def _receive(self, seconds: float, *, echo: bool = False) -> bool:
        """Take what comes within `seconds`; False when nothing came."""
        if self._pending is None:
            self._pending = asyncio.create_task(self.transport.receive())
            await asyncio.sleep(0)  # what is there already needs no timer
        if not self._pending.done():
            await asyncio.wait({self._pending}, timeout=max(0.0, seconds))
        if not self._pending.done():
            return False
        task, self._pending = self._pending, None
        data = task.result()
        self._learn(echo)
        self.console.feed(data)
        return True

    def _learn(self, echo: bool) -> None:
        """Measure the guest: the time to an answer, and the tick at which it paints an echo."""
        now = self._now()
        if self._pressed is not None:
            pace = self._pace
            pace.echo = min(3.0, max(QUICKEST, 0.7 * pace.echo, 5 * (now - self._pressed)))
            self._pressed = None
        elif echo and now - self._last < _SLOWEST_TICK:
            self._tick = max(0.9 * self._tick, now - self._last)
        self._last = now

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _has_pair(text: str) -> bool:
    return any(one == other for one, other in pairwise(text))
