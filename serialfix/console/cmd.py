"""Our CMD channel as state tables: login, our own prompt, one command, leave.

Rules:
1. Login is tried once: failed logons lock accounts, and SAC ends the channel (sac.md §5).
2. The prompt is replaced by a short one of our own with a random name, so that neither old text
   nor another shell is taken for it.
3. A command line is followed by a line that shows the exit code in a one-time frame. cmd.exe
   expands %ERRORLEVEL% when it reads a line, so this is a line of its own (§9); the frame's output
   differs from its typed form, so that the echo never satisfies the wait.
4. Nothing is judged by message text: exit codes and values only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import Any

from serialfix.console.machine import Console, Machine, Patience, Row, Step
from serialfix.console.sac import ANY_KEY
from serialfix.console.screen import hides_a_blank, joined
from serialfix.errors import ChannelError, ConsoleError, GuestRebooted, LoginRejected


class State(Enum):
    """Where we are in our channel."""

    USERNAME = auto()
    DOMAIN = auto()
    PASSWORD = auto()
    PROMPT = auto()
    READY = auto()
    AWAY = auto()
    REJECTED = auto()
    GOING_DOWN = auto()
    LOST = auto()
    RUN = auto()
    FRAME = auto()
    DONE = auto()
    EXIT = auto()
    REVEAL = auto()
    LEFT = auto()
    UNSURE = auto()


class Sight(Enum):
    """What the channel can show."""

    DOMAIN = auto()
    PASSWORD = auto()
    SHELL = auto()
    REFUSED = auto()
    GOING_DOWN = auto()
    OURS_CLOSED = auto()
    OUR_LINE = auto()
    OUR_PROMPT = auto()
    FRAMED = auto()
    SAC_IN_VIEW = auto()


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What one command line gave.

    `output` are its lines as a person would read them, `rows` those of the screen with the blanks
    at their ends; `complete` is False when the beginning had scrolled off the 24 rows.
    """

    line: str
    output: tuple[str, ...]
    exit_code: int
    complete: bool
    rows: tuple[str, ...] = ()


_DOMAIN = re.compile(r"\s*Domain\s*:\s*", re.IGNORECASE)
_PASSWORD = re.compile(r"\s*Password:\s*", re.IGNORECASE)
_USERNAME = re.compile(r"\s*Username:\s*", re.IGNORECASE)
_SHELL = re.compile(r"[A-Z]:\\.*>", re.IGNORECASE)
_CODE = re.compile(r"(-?\d+)\]")


class LoginMachine(Machine[State, Sight]):
    """From the Username prompt to a shell under our own prompt (`READY`)."""

    def __init__(
        self,
        patience: Patience,
        *,
        channel: str,
        username: str,
        domain: str,
        password: str,
        prompt: str,
    ) -> None:
        super().__init__(State.USERNAME, patience, _LOGIN, _SIGHTS)
        self.channel = channel
        self.username = username
        self.domain = domain
        self.password = password
        self.prompt = prompt


class CommandMachine(Machine[State, Sight]):
    """One command line under our prompt, up to its exit code (`DONE`)."""

    def __init__(self, patience: Patience, *, line: str, prompt: str, frame: str) -> None:
        super().__init__(State.RUN, patience, _COMMAND, _SIGHTS)
        # A blank in front means nothing to cmd.exe, and moves all rows by one column.
        views = (f"{' ' * count}{line}" for count in range(5))
        self.line = next((view for view in views if not hides_a_blank(prompt + view)), line)
        self.prompt = prompt
        self.frame = frame
        self.output: list[str] | None = None
        self.exit_code = 0

    def result(self) -> CommandResult:
        """The outcome, once the state is DONE."""
        rows = self.output or []
        return CommandResult(
            self.line,
            tuple(joined(rows)),
            self.exit_code,
            complete=self.output is not None,
            rows=tuple(rows),
        )


class LeaveMachine(Machine[State, Sight]):
    """From our prompt out of the channel to SAC, which confirms its end (`LEFT`), or does not
    (`UNSURE`: something else may have brought SAC into view before `exit` was heard)."""

    def __init__(self, patience: Patience, *, channel: str) -> None:
        super().__init__(State.EXIT, patience, _LEAVE, _SIGHTS)
        self.channel = channel


def _rejected(machine: LoginMachine, console: Console) -> ConsoleError:
    who = f"{machine.domain}\\{machine.username}" if machine.domain else machine.username
    return LoginRejected(
        f"the guest refused the login of {who}; it is not tried again, failed logons lock accounts",
        state="login",
        expected="a command prompt",
        screen=console.screen.text(),
        remedy="Check user name, password and domain (empty = local account); the account must be "
        "an administrator. `az vm user update` sets a new password while the agent works.",
    )


def _shutting_down(_machine: LoginMachine, console: Console) -> ConsoleError:
    return GuestRebooted(
        "the guest shuts down while we log in to it",
        state="login",
        expected="a command prompt",
        screen=console.screen.text(),
        remedy="Somebody or something restarts the VM. Run it again when it is up.",
    )


def _lost(machine: LoginMachine, console: Console) -> ConsoleError:
    return ChannelError(
        f"the console went from our channel {machine.channel} to SAC during the login",
        state="login",
        expected="a command prompt",
        screen=console.screen.text(),
        remedy="Another user, or SAC's time-out, does this. The login is not tried again by "
        "itself; run it again.",
    )


def _at(pattern: re.Pattern[str]) -> Callable[[Any, Console], bool]:
    return lambda _machine, console: pattern.fullmatch(console.screen.before_cursor()) is not None


def _our_prompt(machine: LoginMachine | CommandMachine, console: Console) -> bool:
    return console.screen.at_prompt(machine.prompt)


def _framed(machine: CommandMachine, console: Console) -> bool:
    if not console.screen.at_prompt(machine.prompt):
        return False
    before = f"[{machine.frame} "
    for y in range(console.screen.cursor[0], -1, -1):
        row = console.screen.row(y)
        if row.startswith(before) and (code := _CODE.fullmatch(row, len(before))):
            machine.exit_code = int(code[1])
            # The echo of a later line proves all rows before it; a quiet frame only suggests it.
            asked = f"echo [{machine.frame} %eRrorlevel%]"
            machine.output = console.screen.output_of(machine.prompt, machine.line, until=asked)
            return True
    return False


def _refused(_machine: LoginMachine, console: Console) -> bool:
    """The text, or a new Username prompt: each ends this login (§5)."""
    return any("unable to authenticate" in row.lower() for row in console.fresh) or (
        bool(console.fresh) and _USERNAME.fullmatch(console.screen.before_cursor()) is not None
    )


def _going_down(_machine: LoginMachine, console: Console) -> bool:
    return any("The computer is shutting down." in row for row in console.screen.rows())


def _ours_closed(machine: LoginMachine | LeaveMachine, console: Console) -> bool:
    """SAC's event that our channel was closed: sacsess ended it, whatever it said (§5)."""
    rows = [row.lower() for row in console.screen.rows()]
    named = f"channel: {machine.channel.lower()}"
    return any("a channel has been closed." in a and b == named for a, b in pairwise(rows))


def _sac_in_view(_machine: LoginMachine | LeaveMachine, console: Console) -> bool:
    return console.switch is not None and console.switch.is_sac


_SIGHTS: Mapping[Sight, Callable[[Any, Console], bool]] = {
    Sight.DOMAIN: _at(_DOMAIN),
    Sight.PASSWORD: _at(_PASSWORD),
    Sight.SHELL: _at(_SHELL),
    Sight.REFUSED: _refused,
    Sight.GOING_DOWN: _going_down,
    Sight.OURS_CLOSED: _ours_closed,
    Sight.OUR_LINE: lambda machine, console: console.screen.in_line(machine.prompt),
    Sight.OUR_PROMPT: _our_prompt,
    Sight.FRAMED: _framed,
    Sight.SAC_IN_VIEW: _sac_in_view,
}

_LOGIN: Mapping[State, Row[State, Sight]] = {
    State.USERNAME: Row(
        Step.ENTER,
        {Sight.DOMAIN: State.DOMAIN},
        keys=lambda machine: machine.username,
        again=False,
        within="login",
        expects="the Domain prompt",
    ),
    State.DOMAIN: Row(
        Step.ENTER,
        {Sight.PASSWORD: State.PASSWORD},
        keys=lambda machine: machine.domain,
        again=False,
        within="login",
        expects="the Password prompt",
    ),
    State.PASSWORD: Row(
        Step.ENTER_MASKED,
        {
            Sight.REFUSED: State.REJECTED,
            Sight.SAC_IN_VIEW: State.AWAY,
            Sight.SHELL: State.PROMPT,
            Sight.OUR_LINE: State.READY,  # the shell of before: SAC had only asked again
        },
        keys=lambda machine: machine.password,
        within="authentication",
        expects="a command prompt",
        settled=True,
    ),
    State.PROMPT: Row(
        # the first keys in a fresh shell are eaten, for up to 10 s (sac.md §7)
        Step.ENTER,
        {Sight.OUR_PROMPT: State.READY},
        keys=lambda machine: f"prompt {machine.prompt[:-1]}$G",
        within="login",
        expects="our own prompt",
        settled=True,
        retypes=60,
    ),
    State.READY: Row(Step.END),
    State.AWAY: Row(
        # A refusal, a shutdown and another user all end at SAC's banner: its channel tells why.
        Step.PRESS,
        {Sight.GOING_DOWN: State.GOING_DOWN, Sight.OURS_CLOSED: State.REJECTED},
        keys=ANY_KEY,
        within="reveal",
        late=State.LOST,
        expects="why the login ended",
    ),
    State.REJECTED: Row(Step.FAIL, error=_rejected),
    State.GOING_DOWN: Row(Step.FAIL, error=_shutting_down),
    State.LOST: Row(Step.FAIL, error=_lost),
}

_COMMAND: Mapping[State, Row[State, Sight]] = {
    State.RUN: Row(
        Step.ENTER,
        {Sight.OUR_PROMPT: State.FRAME},
        keys=lambda machine: machine.line,
        within="run",
        expects="the command to end",
        follows=True,
        settled=True,
    ),
    State.FRAME: Row(
        # eRrorlevel: two equal neighbours are what slow consoles lose; names have no case
        Step.ENTER,
        {Sight.FRAMED: State.DONE},
        keys=lambda machine: f"echo [{machine.frame} %eRrorlevel%]",
        within="run",
        expects="the exit code",
    ),
    State.DONE: Row(Step.END),
}

_LEAVE: Mapping[State, Row[State, Sight]] = {
    State.EXIT: Row(
        Step.ENTER,
        {Sight.SAC_IN_VIEW: State.REVEAL},
        keys="exit",
        within="leave",
        expects="SAC's banner after exit",
    ),
    State.REVEAL: Row(
        Step.PRESS,
        {Sight.OURS_CLOSED: State.LEFT},
        keys=ANY_KEY,
        within="reveal",
        late=State.UNSURE,
        expects="the event that our channel was closed",
    ),
    State.LEFT: Row(Step.END),
    State.UNSURE: Row(Step.END),
}
