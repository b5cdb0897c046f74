"""SAC's own `restart`, as a state table: the one command of SAC's that acts on the whole system.

The rules of `sac` hold, and one more: nothing is typed unless SAC's XML has proven its channel;
Enter alone, which finds a prompt where ESC TAB 0 is not understood, proves too little for this.
What SAC says afterwards decides only what is surely no restart; that the guest restarted is proven
by the guest (sac.md §6.1: SAC repaints old text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from serialfix.console import sac
from serialfix.console.actions import BACKSPACE
from serialfix.console.machine import Console, Machine, Patience, Row, Step
from serialfix.console.typist import SAC_LINE
from serialfix.errors import RestartRefused, SerialfixError


class State(Enum):
    """What follows SAC's prompt."""

    ASK = auto()
    SILENT = auto()
    # ends
    UNSEEN = auto()
    GOING_DOWN = auto()
    # failures
    REFUSED = auto()


class Sight(Enum):
    """What SAC can answer (sac.md §2.3)."""

    FAILED = auto()
    GOING_DOWN = auto()


class RestartMachine(Machine[Enum, Enum]):
    """From an attached console to `GOING_DOWN`, or `UNSEEN` where SAC shows nothing of it."""

    at_sac = True

    def __init__(self, patience: Patience) -> None:
        super().__init__(sac.State.ARRIVE, patience, RESTART, _SIGHTS)
        self.knocks = 0

    @property
    def going_down(self) -> bool:
        """Whether the system was seen to go down."""
        return self.state is State.GOING_DOWN


def _says(text: str) -> Callable[[Any, Console], bool]:
    return lambda _machine, console: any(text in row for row in console.fresh)


_OF_SAC: Mapping[Any, Callable[[Any, Console], bool]] = sac.SIGHTS
_SIGHTS: Mapping[Enum, Callable[[Any, Console], bool]] = {
    **_OF_SAC,
    Sight.FAILED: _says("SAC failed to restart the system."),
    Sight.GOING_DOWN: _says("The SAC will become unavailable soon."),
}


def _home_again(machine: RestartMachine) -> Enum:
    machine.knocks += 1
    spent = machine.knocks * machine.patience.home
    return sac.State.HOME if spent < machine.patience.sac else sac.State.NO_SAC


def _refused(_machine: RestartMachine, console: Console) -> SerialfixError:
    said = next((row.strip() for row in console.fresh if "Failed with status" in row), "")
    return RestartRefused(
        f"SAC failed to restart the system. {said}".strip(),
        state="restart",
        screen=console.screen.text(),
        remedy="The VM was not restarted. Restart it another way; all changes are verified.",
    )


_WAY: Mapping[sac.State, Row[Any, Any]] = sac.CLOSE
RESTART: Mapping[Enum, Row[Any, Any]] = {
    **{
        state: _WAY[state]
        for state in (
            sac.State.ARRIVE,
            sac.State.LOOK,
            sac.State.REVEAL,
            sac.State.BOOT_MANAGER,
            sac.State.CRASHED,
            sac.State.NO_SAC,
        )
    },
    sac.State.HOME: replace(_WAY[sac.State.HOME], late=_home_again),
    sac.State.CLEAR: replace(
        _WAY[sac.State.CLEAR],
        leads={sac.Sight.STOP_ERROR: sac.State.CRASHED, sac.Sight.SAC_PROMPT: State.ASK},
        late=_home_again,
    ),
    State.ASK: Row(
        Step.ENTER,
        {
            Sight.FAILED: State.REFUSED,
            Sight.GOING_DOWN: State.GOING_DOWN,
            sac.Sight.RESTART: State.GOING_DOWN,
            sac.Sight.STOP_ERROR: sac.State.CRASHED,
        },
        keys="restart",
        again=False,
        within="restart",
        late=State.SILENT,
        expects="the system to go down",
    ),
    # An Enter that got lost leaves the word behind, for whoever presses Enter next.
    State.SILENT: Row(Step.PRESS, keys=BACKSPACE * SAC_LINE, within="reveal", late=State.UNSEEN),
    State.UNSEEN: Row(Step.END),
    State.GOING_DOWN: Row(Step.END),
    State.REFUSED: Row(Step.FAIL, error=_refused),
}
