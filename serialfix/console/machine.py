"""The interpreter of the console's state tables.

A table says for each state what is done on entering it and which sights lead where. The session
performs the action, shows every new picture to `look`, and hands the sight it gets to `advance`.
A sight that the state does not list changes nothing: `look` never returns one, and `advance`
refuses it with MachineMisuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from serialfix.console.screen import Screen
from serialfix.console.wire import ChannelSwitch, GuestStarted, Signal, StopError, Wire
from serialfix.errors import ExpectTimeout, MachineMisuse, SerialfixError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds; one place for all deadlines of the console."""

    backlog: float = 3.0
    """For the old output that the gateway sends on attach to end."""
    backlog_quiet: float = 0.05
    """Only speed hangs on it: keys reach the guest in their order, whatever old text says."""
    backlog_none: float = 1.0
    """For old output to begin: a quiet console has none."""
    home: float = 3.0
    """For SAC to answer ESC TAB 0, or Enter."""
    sac: float = 45.0
    """For a SAC prompt, all tries together."""
    reveal: float = 2.0
    command: float = 20.0
    """For a SAC command to end."""
    channel: float = 30.0
    """For the new channel's event after `cmd`."""
    registration: float = 300.0
    """For "The CMD command is now available." (public firmware tests allow 600, propolis 300)."""
    registration_retry: float = 30.0
    switch: float = 15.0
    switch_retry: float = 1.0
    login: float = 20.0
    authentication: float = 60.0
    enter: float = 5.0
    """For any answer to Enter, before it is taken as lost and pressed again."""
    run: float = 60.0
    """For one command line in the guest to end, or to print something."""
    longest: float = 1800.0
    """For one command line that goes on printing."""
    alive: float = 15.0
    """Between two signs that a command is still waited for."""
    leave: float = 10.0
    restart: float = 90.0
    """For a system to go down after SAC's `restart`; SAC waits until it is 60 s old (sac.md §2.3).
    """


class Console:
    """What is known of the console: the screen, what SAC's XML said, and what is new since when."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.screen = Screen()
        self.signals: list[Signal] = []
        """Since the last `look_afresh`."""
        self.switches: list[ChannelSwitch] = []
        """All channels that came into view, in their order."""
        self.since = self.screen.mark()
        self.received = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self.received += len(data)
        for piece in self.wire.feed(data):
            if isinstance(piece, str):
                self.screen.feed(piece)
            else:
                self.signals.append(piece)
                if isinstance(piece, ChannelSwitch):
                    self.switches.append(piece)

    def look_afresh(self) -> None:
        """From here on only what comes counts as new."""
        self.signals.clear()
        self.since = self.screen.mark()

    def reattached(self) -> None:
        """A new connection: half a character or an open XML block of the old one means nothing."""
        self.wire = Wire()
        self.look_afresh()

    @property
    def fresh(self) -> list[str]:
        """The rows that came since `look_afresh`; none when the screen was cleared since."""
        return self.screen.since(self.since) or []

    @property
    def switch(self) -> ChannelSwitch | None:
        """The channel that came into view last, since `look_afresh`."""
        switches = [signal for signal in self.signals if isinstance(signal, ChannelSwitch)]
        return switches[-1] if switches else None

    @property
    def stop_error(self) -> StopError | None:
        """A Stop error since `look_afresh`."""
        stops = [signal for signal in self.signals if isinstance(signal, StopError)]
        return stops[-1] if stops else None

    @property
    def started(self) -> bool:
        """Whether the guest announced a boot since `look_afresh`."""
        return any(isinstance(signal, GuestStarted) for signal in self.signals)


class Step(Enum):
    """What entering a state does."""

    WATCH = "watch"
    """Nothing is sent, and what came before still counts as new."""
    PRESS = "press"
    """Keys that need no echo."""
    ENTER = "enter"
    """A line behind the prompt under the cursor: typed, compared, then Enter."""
    ENTER_MASKED = "enter_masked"
    """The same at the masked Password prompt."""
    END = "end"
    FAIL = "fail"


S = TypeVar("S", bound=Enum)
W = TypeVar("W", bound=Enum)


@dataclass(frozen=True, slots=True)
class Row(Generic[S, W]):
    """One state: what is done on entering it, how long it lasts, and which sight leads where."""

    step: Step
    leads: Mapping[W, S] = field(default_factory=dict)
    """Sights in the order in which they are looked for."""
    keys: str | Callable[[Any], str] = ""
    """What is pressed or typed; a function of the machine where it depends on what was seen."""
    within: str = ""
    """The deadline, by its name in Patience."""
    late: S | Callable[[Any], S] | None = None
    """Where it leads when the deadline passes; None is an ExpectTimeout."""
    quiet: S | None = None
    """Where it leads when the console has been quiet for `backlog_quiet`."""
    expects: str = ""
    """In words, for the error."""
    follows: bool = False
    """Whether the deadline counts from the last output, up to `longest` in all."""
    settled: bool = False
    """Whether a sight counts only once a painting renderer has finished its frame (sac.md §6.2)."""
    again: bool = True
    """Whether Enter may be pressed again where nothing at all answered to it: an empty line more
    harms no prompt but that of a login, where it would be the next answer."""
    retypes: int | None = None
    """Repairs allowed while typing, where more than usual are needed."""
    error: Callable[[Any, Console], SerialfixError] | None = None
    """For FAIL: the exception."""


class Machine(Generic[S, W]):
    """A state table at work. Subclasses bring `table` and `sights` and keep what was seen."""

    at_sac = False
    """Whether its lines are typed at SAC's own prompt, whose line editor is another (sac.md §3)."""

    def __init__(
        self,
        state: S,
        patience: Patience,
        table: Mapping[S, Row[S, W]],
        sights: Mapping[W, Callable[[Any, Console], bool]],
    ) -> None:
        self.state = state
        self.patience = patience
        self.table = table
        self.sights = sights

    @property
    def row(self) -> Row[S, W]:
        """The row of the present state."""
        return self.table[self.state]

    @property
    def keys(self) -> str:
        """What the present state presses or types."""
        keys = self.row.keys
        return keys if isinstance(keys, str) else keys(self)

    @property
    def within(self) -> float:
        """The present state's deadline in seconds."""
        return float(getattr(self.patience, self.row.within)) if self.row.within else 0.0

    def look(self, console: Console) -> W | None:
        """The first sight of the present state that the console shows, or None."""
        for sight in self.row.leads:
            if self.sights[sight](self, console):
                return sight
        return None

    def advance(self, sight: W) -> None:
        """Follow a sight. Raises MachineMisuse, and changes nothing, when it is not listed."""
        if sight not in self.row.leads:
            raise MachineMisuse(f"{self.state} does not list {sight}")
        self.state = self.row.leads[sight]

    def expire(self, console: Console) -> None:
        """The deadline passed. Raises ExpectTimeout when the state does not allow for it."""
        late = self.row.late
        if late is None:
            raise ExpectTimeout(
                f"waited {self.within:g} s in vain for {self.row.expects}",
                state=str(self.state.name),
                expected=self.row.expects,
                screen=console.screen.text(),
                remedy="Look at the recording; when the guest is merely slow, run it again.",
            )
        self.state = late(self) if callable(late) else late

    def silence(self) -> None:
        """The console went quiet. Raises MachineMisuse when the state does not list that."""
        if self.row.quiet is None:
            raise MachineMisuse(f"{self.state} does not list silence")
        self.state = self.row.quiet

    def failure(self, console: Console) -> SerialfixError:
        """The exception of a FAIL state."""
        if self.row.error is None:
            raise MachineMisuse(f"{self.state} is no failure")
        return self.row.error(self, console)
