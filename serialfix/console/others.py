"""Somebody else at the console: seen before anything is typed, and given back what was in view.

A console of Azure has one session. Whoever attaches throws the other client out and sees the
channel that it had in view (azure.md §1, sac.md §5); nothing tells of it beforehand. So a run that
nobody watches looks after attaching:

1. The first keys are ESC TAB 0, which no program gets (sac.md §4): a prompt, half a line, a login
   and a program that runs stay as they are. SAC answers with two banners, that of the active
   channel next to the one in view, and its own.
2. With SAC's list of channels the first of them tells which channel was in view.
3. A CMD channel in view that this run did not open is somebody's session. Nothing in it tells
   whether they are there: a disconnect does not log out (§5), and a program may run for hours.
   Where the answer is not clear, every open CMD channel counts.
4. Nobody's are the channels in the background, and SAC's prompt. Half a line there is what a
   dropped connection leaves, too, and an event hides it (§3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serialfix.console.machine import Console, Patience, Row, Step
from serialfix.console.sac import (
    CLOSE,
    SIGHTS,
    Channel,
    SacMachine,
    Sight,
    State,
    channels,
)
from serialfix.console.wire import ChannelSwitch
from serialfix.errors import ConsoleInUse, SerialfixError


_CMD = re.compile(r"Cmd\d+", re.IGNORECASE)


@dataclass(slots=True)
class Arrival:
    """What is known of the channel that was in view, over dropped connections and killed processes:
    neither brings it back there.
    """

    moved: bool = False
    """Whether ESC TAB 0 was pressed and its answer is not understood yet."""
    theirs: str | None = None
    """Somebody's channel, which has to come into view again."""
    beside: Sequence[str] | None = None
    """The CMD channels there were when a process before this one asked for its own, and ended
    before it knew the name of that."""


def in_view(
    brought: Sequence[ChannelSwitch], listed: Sequence[Channel], *, presses: int
) -> str | None:
    """The channel that was in view before ESC TAB 0 was pressed so often; None: it is not clear.

    >>> sac, cmd = (ChannelSwitch(name, "") for name in ("SAC", "Cmd0001"))
    >>> listed = [Channel(0, True, "SAC"), Channel(1, True, "Cmd0001")]
    >>> in_view([sac, sac], listed, presses=1), in_view([cmd, sac], listed, presses=1)
    ('Cmd0001', 'SAC')
    """
    ring = [channel.name for channel in listed if channel.active]
    # An old banner of the backlog, or a lost key, makes another number of them.
    if len(brought) != 2 * presses or not all(switch.is_sac for switch in brought[1::2]):
        return None
    after = [at for at, name in enumerate(ring) if name.lower() == brought[0].name.lower()]
    return ring[after[0] - 1] if after else None


class ConsiderateMachine(SacMachine):
    """The way of a table of `sac`, which fails with ConsoleInUse at somebody's session."""

    def __init__(
        self,
        table: Mapping[State, Row[State, Sight]],
        patience: Patience,
        arrival: Arrival,
        *,
        own: str | None = None,
        prompt: str = "",
    ) -> None:
        super().__init__(considerate(table), patience, own=own, prompt=prompt)
        self.sights = _SIGHTS
        self.arrival = arrival
        self.shown = ""
        """The screen as it was when we came."""
        self.somebodys: list[str] | None = None
        """The channels that count as somebody's session; None before the list is known."""
        self._came = 0
        self._doubtful = arrival.moved

    def expire(self, console: Console) -> None:
        """The deadline passed; with that of LOOK, ESC TAB 0 comes next."""
        if self.state is State.LOOK:
            self._came, self.shown = len(console.switches), console.screen.text()
            self.arrival.moved = True
        super().expire(console)

    def settle(self, console: Console) -> list[str]:
        """Whose session it is, decided on the first list of channels that is whole."""
        if self.somebodys is None:
            listed = channels(console.fresh)
            brought = console.switches[self._came :]
            former = in_view(brought, listed, presses=self.homes + 1)
            if self._doubtful:
                former = None
            cmds = [each.name for each in listed if each.active and _CMD.fullmatch(each.name)]
            own = self.own or self._own_of(cmds) or ""
            self.somebodys = [
                name for name in cmds if name.lower() != own.lower() and former in (None, name)
            ]
            self.arrival.moved = False
            self.arrival.theirs = former if former in self.somebodys else None
        return self.somebodys

    def _own_of(self, names: Sequence[str]) -> str | None:
        """The first channel that came after a process before us asked for one: names climb (§3)."""
        if self.arrival.beside is None:
            return None
        known = {name.lower() for name in self.arrival.beside}
        return min((name for name in names if name.lower() not in known), default=None)


def _listed(console: Console) -> bool:
    """The list is whole: its header, and the prompt behind it."""
    return any("Channel Name" in row for row in console.fresh)


def _whose(*, somebody: bool) -> Callable[[Any, Console], bool]:
    def sight(machine: ConsiderateMachine, console: Console) -> bool:
        whole = SIGHTS[Sight.LISTED](machine, console) and _listed(console)
        return whole and bool(machine.settle(console)) is somebody

    return sight


_SIGHTS: Mapping[Sight, Callable[[Any, Console], bool]] = {
    **SIGHTS,
    Sight.SOMEBODY: _whose(somebody=True),
    Sight.NOBODY: _whose(somebody=False),
}


def _home_again(machine: SacMachine) -> State:
    machine.homes += 1
    machine.knocks += 1
    spent = machine.homes * machine.patience.home
    return State.HOME if spent < machine.patience.sac else State.NO_SAC


def _ask_again(machine: SacMachine) -> State:
    machine.lists += 1
    return State.CLEAR if machine.lists <= 2 else State.NO_SAC


def _in_use(machine: ConsiderateMachine, _console: Console) -> SerialfixError:
    names = ", ".join(machine.somebodys or ())
    return ConsoleInUse(
        f"somebody works on this console: channel {names} was in view when we attached"
        if machine.arrival.theirs
        else "somebody may be working on this console: which channel was in view when we attached "
        f"could not be told, and CMD channels are open ({names}). SAC is in view now",
        state="attach",
        expected="no CMD channel of somebody else in view",
        screen=machine.shown,
        remedy="Nothing was entered there. Wait until they are done; `serialfix attach --vm NAME` "
        "shows the console. `--take-over` works beside them, in a channel of its own.",
    )


_ENDS = {Sight.STOP_ERROR: State.CRASHED, Sight.RESTART: State.RESTARTED}


def considerate(table: Mapping[State, Row[State, Sight]]) -> Mapping[State, Row[State, Sight]]:
    """A table of `sac` that asks whose session it is before it does what it is for."""
    return {
        **table,
        # Old output that came later would be taken for the answer to ESC TAB 0.
        State.ARRIVE: replace(table[State.ARRIVE], quiet=None, within="backlog_none"),
        # Enter, which `sac` presses where nothing answers, could reach their program.
        State.HOME: replace(table[State.HOME], late=_home_again),
        State.CLEAR: replace(
            table[State.CLEAR],
            leads={**table[State.CLEAR].leads, Sight.SAC_PROMPT: State.ASK},
        ),
        State.ASK: Row(
            Step.ENTER,
            {**_ENDS, Sight.SOMEBODY: State.IN_USE, Sight.NOBODY: State.LIST},
            keys="ch",
            within="command",
            late=_ask_again,
            expects="the channel list",
        ),
        State.IN_USE: Row(Step.FAIL, error=_in_use),
    }


GIVE_BACK: Mapping[State, Row[State, Sight]] = {
    # Its last picture is their channel's banner: no key of ours goes there, the first of theirs
    # shows the channel. It is tried once: where the place is not proven, nothing is pressed.
    **{
        state: CLOSE[state]
        for state in (
            State.ARRIVE,
            State.LOOK,
            State.REVEAL,
            State.BOOT_MANAGER,
            State.CRASHED,
            State.RESTARTED,
        )
    },
    State.HOME: replace(CLOSE[State.HOME], late=None),
    State.CLEAR: replace(
        CLOSE[State.CLEAR],
        leads={Sight.STOP_ERROR: State.CRASHED, Sight.SAC_PROMPT: State.SWITCH},
        late=None,
    ),
    State.SWITCH: Row(
        Step.ENTER,
        {
            **_ENDS,
            Sight.OURS_IN_VIEW: State.GIVEN_BACK,
            Sight.NO_SUCH_CHANNEL: State.GIVEN_BACK,  # they have ended it
        },
        keys=lambda machine: f"ch -sn {machine.own}",
        again=False,
        within="switch",
        expects="the switch back to their channel",
    ),
    State.GIVEN_BACK: Row(Step.END),
}
"""Back to the channel that was in view; `own` of the machine is that channel here."""
