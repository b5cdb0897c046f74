"""SAC as state tables: find the prompt, open our own channel, go back to it, close it.

Rules:
1. Everything that decides what is sent to SAC stands in this file. Only SAC's own commands `ch` and
   `cmd` are ever entered: SAC matches by prefix, so that `shutdown` or `restart` act at once,
   without login (sac.md §2.2).
2. The place is proven before the first Enter: ESC TAB 0 brings SAC's banner with its XML and is
   delivered to no program, so it disturbs neither somebody's half-typed line nor a program that
   asks a question. Only where nothing answers to it is Enter pressed, as every document advises.
3. A line that somebody left half typed is erased before our Enter (§3: an event hides it).
4. Channels are named, never numbered (§3); only the one that this run created is used or closed.

`OPEN`, `REJOIN` and `CLOSE` share the way to the prompt and differ in what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise

from serialfix.console import sac_errors
from serialfix.console.actions import BACKSPACE, CR, GO_HOME
from serialfix.console.machine import Console, Machine, Patience, Row, Step
from serialfix.console.typist import SAC_LINE


PROMPT = "SAC>"
ANY_KEY = " "
"""A banner swallows exactly one byte (sac.md §4); a blank harms nothing where there is none."""
RETRIES = 10
"""Looks for a channel that SAC said it launched; public drivers allow ten, 1 s apart (§3)."""


class State(Enum):
    """Where we are on the way."""

    ARRIVE = auto()
    LOOK = auto()
    HOME = auto()
    KNOCK = auto()
    REVEAL = auto()
    CLEAR = auto()
    LIST = auto()
    LAUNCH = auto()
    UNREGISTERED = auto()
    PENDING = auto()
    SWITCH = auto()
    SHOW = auto()
    CLOSE = auto()
    ASK = auto()
    # ends
    LOGIN = auto()
    SHELL = auto()
    GONE = auto()
    CLOSED = auto()
    GIVEN_BACK = auto()
    # failures
    BOOT_MANAGER = auto()
    CRASHED = auto()
    RESTARTED = auto()
    NO_SAC = auto()
    SERVICE_HUNG = auto()
    LAUNCH_FAILED = auto()
    DISABLED = auto()
    FULL = auto()
    MISSING = auto()
    IN_USE = auto()


class Sight(Enum):
    """What the console can show."""

    BOOT_MENU = auto()
    STOP_ERROR = auto()
    RESTART = auto()
    SAC_IN_VIEW = auto()
    SAC_PROMPT = auto()
    ELSEWHERE = auto()
    OURS_LISTED = auto()
    NEW_LISTED = auto()
    NONE_NEW = auto()
    LISTED = auto()
    NOT_REGISTERED = auto()
    REGISTERED = auto()
    SERVICE_TIMEOUT = auto()
    LAUNCH_ERROR = auto()
    CMD_DISABLED = auto()
    NO_SLOT = auto()
    CREATED = auto()
    OURS_IN_VIEW = auto()
    NO_SUCH_CHANNEL = auto()
    USERNAME = auto()
    OUR_PROMPT = auto()
    OTHER_PROMPT = auto()
    SOMEBODY = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Channel:
    """A row of SAC's channel list."""

    number: int
    active: bool
    name: str


_CHANNEL = re.compile(r"^\s?(\d)\s+\((\w)(\w)\)\s+(\S.*)$")
_PROMPTS = re.compile(rf"(?:{PROMPT})+")
_CREATED = re.compile(r"^\s*EVENT:\s*A new channel has been created\.")
_NAMED = re.compile(r"^\s*Channel:\s*(Cmd\d+)\s*$", re.IGNORECASE)


def channels(rows: list[str]) -> list[Channel]:
    """The channels that a `ch` listing shows.

    >>> channels(["# Status  Channel Name", "0 (AV)    SAC", "1 (IV)    Cmd0001"])[1]
    Channel(number=1, active=False, name='Cmd0001')
    """
    found = (_CHANNEL.match(row) for row in rows)
    return [Channel(int(m[1]), m[2] == "A", m[4].strip()) for m in found if m]


def counts_anew(former: str | None, now: str | None) -> bool:
    """Whether the channels' numbers show a restart: they only climb while Windows runs (§3).

    >>> counts_anew("Cmd0002", "Cmd0003"), counts_anew("Cmd0002", "Cmd0001")
    (False, True)
    """
    old, new = (re.search(r"\d+$", name or "") for name in (former, now))
    return old is None or new is None or int(new[0]) <= int(old[0])


class SacMachine(Machine[State, Sight]):
    """The way from an attached console to `LOGIN`, `SHELL`, `GONE` or `CLOSED`.

    `own` is the channel this run created, once its name is known; `others` are the CMD channels
    that were there before and belong to somebody else.
    """

    at_sac = True

    def __init__(
        self,
        table: Mapping[State, Row[State, Sight]],
        patience: Patience,
        *,
        own: str | None = None,
        prompt: str = "",
        start: State = State.ARRIVE,
    ) -> None:
        super().__init__(start, patience, table, SIGHTS)
        self.own = own
        self.prompt = prompt
        self.others: list[Channel] = []
        self.launched = False
        self.homes = 0
        self.knocks = 0
        self.looks = 0
        self.lists = 0
        self.waits = 0

    def advance(self, sight: Sight) -> None:
        """Follow a sight and count the bounded detours."""
        super().advance(sight)
        if self.state is State.UNREGISTERED:
            self.waits += 1


# --- sights ------------------------------------------------------------------------------------


def _says(*texts: str) -> Callable[[SacMachine, Console], bool]:
    """A sight: a row that came since the last key holds one of these texts."""
    return lambda _machine, console: any(text in row for row in console.fresh for text in texts)


def _prompted(console: Console) -> bool:
    """SAC's prompt, alone or repeated: an event brings one, the command's end another."""
    before = console.screen.before_cursor()
    return _PROMPTS.fullmatch(before) is not None and console.screen.at_prompt(before)


def _at_sac(_machine: SacMachine, console: Console) -> bool:
    return bool(console.fresh) and _prompted(console)


def _revealed(_machine: SacMachine, console: Console) -> bool:
    """SAC's channel was painted whole: the cursor stands behind its prompt. On a slow link the old
    rows take seconds to come (§6.1), and the first of them may show a prompt, too."""
    return console.screen.painted and console.screen.before_cursor().startswith(PROMPT)


def _crashed(_machine: SacMachine, console: Console) -> bool:
    return console.stop_error is not None or console.screen.before_cursor() == "!" + PROMPT


def _started(_machine: SacMachine, console: Console) -> bool:
    return console.started


def _boot_menu(_machine: SacMachine, console: Console) -> bool:
    # As a title in the middle: the firmware names the boot manager too, when it starts it (sac.md
    # §6.1), and bcdedit heads what it shows with it.
    return any(
        (row.strip() == "Windows Boot Manager" and row.startswith("     "))
        or "choose an operating system to start" in row.lower()
        for row in console.screen.rows()
    )


def _sac_in_view(_machine: SacMachine, console: Console) -> bool:
    return console.switch is not None and console.switch.is_sac


def _ours_in_view(machine: SacMachine, console: Console) -> bool:
    switch = console.switch
    return switch is not None and not switch.is_sac and _same(switch.name, machine.own)


def _listed(machine: SacMachine, console: Console) -> bool:
    """The whole list is there: its header or an error, and a prompt again. A prompt alone may be
    that of an event, with our line still standing before it and its Enter lost."""
    if not _at_sac(machine, console) or not _says("Channel Name", "Error", "Unrecogni")(
        machine, console
    ):
        return False
    if not machine.launched:
        machine.others = [
            channel
            for channel in channels(console.fresh)
            if channel.number and not _same(channel.name, machine.own)
        ]
    return True


def _ours_listed(machine: SacMachine, console: Console) -> bool:
    return _at_sac(machine, console) and any(
        channel.active and _same(channel.name, machine.own) for channel in channels(console.fresh)
    )


def _new_listed(machine: SacMachine, console: Console) -> bool:
    """A channel that was not there before `cmd`: the event got lost, the list shows it."""
    if not (machine.launched and machine.own is None and _at_sac(machine, console)):
        return False
    known = {channel.name.lower() for channel in machine.others}
    new = [c for c in channels(console.fresh) if c.number and c.name.lower() not in known]
    if new:
        machine.own = new[-1].name
    return bool(new)


def _none_new(machine: SacMachine, console: Console) -> bool:
    return machine.launched and _at_sac(machine, console)


def _created(machine: SacMachine, console: Console) -> bool:
    """`EVENT: A new channel` and the line with its name (other events name theirs, §3)."""
    if not _prompted(console):
        return False
    known = {channel.name.lower() for channel in machine.others}
    rows = console.fresh
    for event, named in pairwise(rows):
        match = _NAMED.match(named)
        if _CREATED.match(event) and match and match[1].lower() not in known:
            machine.own, machine.launched = match[1], True
            return True
    return False


def _same(one: str, other: str | None) -> bool:
    return other is not None and one.lower() == other.lower()


def _username(_machine: SacMachine, console: Console) -> bool:
    return re.fullmatch(r"\s*Username:\s*", console.screen.before_cursor()) is not None


def _our_prompt(machine: SacMachine, console: Console) -> bool:
    return bool(machine.prompt) and console.screen.in_line(machine.prompt)


def _other_prompt(machine: SacMachine, console: Console) -> bool:
    return (
        not _our_prompt(machine, console)
        and re.search(r"^[A-Za-z]:\\.*>", console.screen.before_cursor()) is not None
    )


SIGHTS: Mapping[Sight, Callable[[SacMachine, Console], bool]] = {
    Sight.BOOT_MENU: _boot_menu,
    Sight.STOP_ERROR: _crashed,
    Sight.RESTART: _started,
    Sight.SAC_IN_VIEW: _sac_in_view,
    Sight.SAC_PROMPT: _at_sac,
    Sight.ELSEWHERE: _revealed,
    Sight.OURS_LISTED: _ours_listed,
    Sight.NEW_LISTED: _new_listed,
    Sight.NONE_NEW: _none_new,
    Sight.LISTED: _listed,
    Sight.NOT_REGISTERED: _says("has not yet registered"),
    Sight.REGISTERED: _says("The CMD command is now available."),
    Sight.SERVICE_TIMEOUT: _says("Timeout: Unable to launch a Command Prompt."),
    Sight.LAUNCH_ERROR: _says("session failed to be created", "The CMD command is unavailable."),
    Sight.CMD_DISABLED: _says("Launching of Command Prompt channels is disabled."),
    Sight.NO_SLOT: _says("The maximum number of channels has been reached."),
    Sight.CREATED: _created,
    Sight.OURS_IN_VIEW: _ours_in_view,
    Sight.NO_SUCH_CHANNEL: _says("Could not find a channel with that name"),
    Sight.USERNAME: _username,
    Sight.OUR_PROMPT: _our_prompt,
    Sight.OTHER_PROMPT: _other_prompt,
}


# --- detours -----------------------------------------------------------------------------------


def _home_again(machine: SacMachine) -> State:
    """A lost key must not have us knock in somebody's session: ESC TAB 0 is tried twice."""
    machine.homes += 1
    return State.HOME if machine.homes % 2 else State.KNOCK


def _knock_again(machine: SacMachine) -> State:
    machine.knocks += 1
    spent = machine.knocks * 3 * machine.patience.home
    return State.HOME if spent < machine.patience.sac else State.NO_SAC


def _after_launch(machine: SacMachine) -> State:
    machine.launched = True
    return State.CLEAR


def _look_again(machine: SacMachine) -> State:
    machine.looks += 1
    return State.CLEAR if machine.looks <= RETRIES else State.MISSING


def _list_again(machine: SacMachine) -> State:
    """An event came where the Enter of `ch` was lost: the line is cleared and typed again."""
    machine.lists += 1
    return State.CLEAR if machine.lists <= RETRIES else State.NO_SAC


def _register_again(machine: SacMachine) -> State:
    """The event can get lost: `cmd` is tried again now and then, until the deadline."""
    patience = machine.patience
    spent = machine.waits * patience.registration_retry
    return State.CLEAR if spent < patience.registration else State.SERVICE_HUNG


# --- tables ------------------------------------------------------------------------------------

_ENDS = {Sight.STOP_ERROR: State.CRASHED, Sight.RESTART: State.RESTARTED}
"""What may happen at SAC's prompt at any moment."""

_TO_PROMPT: dict[State, Row[State, Sight]] = {
    State.ARRIVE: Row(
        Step.WATCH,
        within="backlog",
        late=State.LOOK,
        quiet=State.LOOK,
        expects="the old output to end",
    ),
    State.LOOK: Row(Step.WATCH, {Sight.BOOT_MENU: State.BOOT_MANAGER}, late=State.HOME),
    State.HOME: Row(
        Step.PRESS,
        {Sight.SAC_IN_VIEW: State.REVEAL, Sight.STOP_ERROR: State.CRASHED},
        keys=GO_HOME,
        within="home",
        late=_home_again,
        expects="SAC's banner",
    ),
    State.KNOCK: Row(
        Step.PRESS,
        {
            Sight.BOOT_MENU: State.BOOT_MANAGER,
            Sight.SAC_IN_VIEW: State.REVEAL,
            Sight.STOP_ERROR: State.CRASHED,
            Sight.SAC_PROMPT: State.CLEAR,
        },
        keys=BACKSPACE * SAC_LINE + CR,
        within="home",
        late=_knock_again,
        expects="SAC>",
    ),
    State.REVEAL: Row(
        Step.PRESS,
        {Sight.ELSEWHERE: State.CLEAR},
        keys=ANY_KEY,
        within="reveal",
        late=State.CLEAR,
        expects="SAC's screen",
    ),
    State.CLEAR: Row(
        Step.PRESS,
        {Sight.STOP_ERROR: State.CRASHED, Sight.SAC_PROMPT: State.LIST},
        keys=BACKSPACE * SAC_LINE + CR,
        within="home",
        late=_knock_again,
        expects="a fresh SAC>",
    ),
    State.BOOT_MANAGER: Row(Step.FAIL, error=sac_errors.boot_manager),
    State.CRASHED: Row(Step.FAIL, error=sac_errors.stop_error),
    State.RESTARTED: Row(Step.FAIL, error=sac_errors.restarted),
    State.NO_SAC: Row(Step.FAIL, error=sac_errors.no_sac),
}

_TO_CHANNEL: dict[State, Row[State, Sight]] = {
    State.SWITCH: Row(
        Step.ENTER,
        {**_ENDS, Sight.OURS_IN_VIEW: State.SHOW, Sight.NO_SUCH_CHANNEL: State.PENDING},
        keys=lambda machine: f"ch -sn {machine.own}",
        again=False,
        within="switch",
        late=_look_again,
        expects="the switch to our channel",
    ),
    State.PENDING: Row(Step.WATCH, within="switch_retry", late=_look_again, expects="our channel"),
    State.SHOW: Row(
        Step.PRESS,
        {
            Sight.USERNAME: State.LOGIN,
            Sight.OUR_PROMPT: State.SHELL,
            Sight.OTHER_PROMPT: State.GONE,
        },
        keys=ANY_KEY,
        within="login",
        expects="the Username prompt",
    ),
    State.LOGIN: Row(Step.END),
    State.SHELL: Row(Step.END),
    State.GONE: Row(Step.END),
    State.MISSING: Row(
        Step.FAIL,
        error=sac_errors.channel_error(
            "SAC launched a command prompt, but its channel never appeared",
            "Run it again; when it stays so, restart the VM.",
        ),
    ),
}

OPEN: Mapping[State, Row[State, Sight]] = {
    **_TO_PROMPT,
    **_TO_CHANNEL,
    State.LIST: Row(
        Step.ENTER,
        {
            **_ENDS,
            Sight.OURS_LISTED: State.SWITCH,
            Sight.NEW_LISTED: State.SWITCH,
            Sight.NONE_NEW: State.PENDING,
            Sight.LISTED: State.LAUNCH,
        },
        keys="ch",
        within="command",
        late=_list_again,
        expects="the channel list",
    ),
    State.LAUNCH: Row(
        Step.ENTER,
        {
            **_ENDS,
            Sight.CREATED: State.SWITCH,
            Sight.NOT_REGISTERED: State.UNREGISTERED,
            Sight.SERVICE_TIMEOUT: State.SERVICE_HUNG,
            Sight.CMD_DISABLED: State.DISABLED,
            Sight.NO_SLOT: State.FULL,
            Sight.LAUNCH_ERROR: State.LAUNCH_FAILED,
        },
        keys="cmd",
        within="channel",
        late=_after_launch,
        expects="the new channel",
    ),
    State.UNREGISTERED: Row(
        # sacsvr registers late in the boot; SAC does not try again by itself (sac.md §3)
        Step.WATCH,
        {Sight.STOP_ERROR: State.CRASHED, Sight.REGISTERED: State.CLEAR},
        within="registration_retry",
        late=_register_again,
        expects="EVENT: The CMD command is now available.",
    ),
    State.SERVICE_HUNG: Row(
        Step.FAIL,
        error=sac_errors.channel_error(
            "SAC cannot launch a command prompt: its service (sacsvr) does not answer",
            "Restart the VM. If sacsvr is disabled (CIS hardening sets Start=4), enable it offline "
            "with `az vm repair`.",
        ),
    ),
    State.LAUNCH_FAILED: Row(
        Step.FAIL,
        error=sac_errors.channel_error(
            "SAC failed to launch a command prompt", "Run it again; else restart the VM."
        ),
    ),
    State.DISABLED: Row(
        Step.FAIL,
        error=sac_errors.channel_error(
            "command prompts are disabled in SAC of this guest",
            r"Remove DisableCmdSessions under HKLM\SYSTEM\CurrentControlSet\Services\sacdrv "
            "offline (`az vm repair`).",
        ),
    ),
    State.FULL: Row(
        Step.FAIL,
        error=sac_errors.channel_error(
            "no free channel in SAC: all are in use ({channels}); none of them is ours to close",
            "In the portal's serial console close one that nobody needs (`ch -cn NAME`), or "
            "restart the VM, then run it again.",
        ),
    ),
}

_SHOW = _TO_CHANNEL[State.SHOW]
REJOIN: Mapping[State, Row[State, Sight]] = {
    **_TO_PROMPT,
    **_TO_CHANNEL,
    State.SHOW: replace(_SHOW, late=State.GONE),  # a channel that is not painted again
    State.LIST: Row(
        Step.ENTER,
        {**_ENDS, Sight.OURS_LISTED: State.SWITCH, Sight.LISTED: State.GONE},
        keys="ch",
        within="command",
        late=_list_again,
        expects="the channel list",
    ),
}

RECLAIM: Mapping[State, Row[State, Sight]] = {
    **REJOIN,
    State.SHOW: replace(_SHOW, late=State.GONE, leads={**_SHOW.leads, Sight.USERNAME: State.GONE}),
}

CLOSE: Mapping[State, Row[State, Sight]] = {
    **_TO_PROMPT,
    State.LIST: Row(
        Step.ENTER,
        {**_ENDS, Sight.OURS_LISTED: State.CLOSE, Sight.LISTED: State.CLOSED},
        keys="ch",
        within="command",
        late=_list_again,
        expects="the channel list",
    ),
    State.CLOSE: Row(
        Step.ENTER,
        {**_ENDS, Sight.SAC_PROMPT: State.CLOSED},
        keys=lambda machine: f"ch -cn {machine.own}",
        within="command",
        expects="our channel to close",
    ),
    State.CLOSED: Row(Step.END),
}
