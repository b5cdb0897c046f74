"""What a machine asks the session to do, and why the session comes back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


CR = "\r"
BACKSPACE = "\b"
GO_HOME = "\x1b\t0"
"""ESC TAB 0 brings SAC's banner and is delivered to no program (sac.md §4)."""


class Cause(Enum):
    """Why a machine is asked again."""

    START = auto()
    OUTPUT = auto()
    """The screen may have changed."""
    QUIET = auto()
    """Nothing came for the `quiet` seconds of the last Wait."""
    EXPIRED = auto()
    """The `within` seconds of the last Wait are over."""


@dataclass(frozen=True, slots=True)
class Press:
    """Send these keystrokes now, then ask again (Cause.START)."""

    keys: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back on output, after `quiet` seconds of silence, or when `within` seconds are over.

    The deadline `within` runs on while the same `what` is returned; it starts anew with another.
    """

    what: str
    within: float
    quiet: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The machine reached its end."""


Action = Press | Wait | Finished
