"""Keys that do at `SAC>` what nobody expects are kept from it; elsewhere every key passes.

sac.md §2.2, users.md §4: SAC's line editor knows neither Ctrl-C nor arrows, and its commands act by
their beginning, at once and without a login.
"""

from __future__ import annotations

from dataclasses import dataclass

from serialfix.byhand.keys import ENTER, ESC
from serialfix.byhand.view import SAC_PROMPT, View


CTRL_C = "\x03"
_ERASERS = ("\b", "\x7f")
ACT_AT_ONCE = ("shutdown", "restart", "crashdump")
HAZARDS = (
    ("Ctrl-C RUNS the line that is typed so far", "it erases it"),
    ("Arrow and function keys print [A or [3~", "they are dropped"),
    ("shutdown, restart, crashdump act at once, with no login", "you are asked"),
)
"""What SAC does, and what the guard makes of it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a keystroke: what is sent, what the person is told, what must be confirmed.

    With `confirm` nothing is sent before the person agreed to that line.
    """

    keys: str = ""
    notice: str = ""
    confirm: str = ""


class Guard:
    """Decides on each keystroke, from the screen and from what was typed since the last Enter.

    Both, because keys run ahead of their echo, and because an event interrupts a line without
    showing it again (sac.md §3). Where the two differ, the person is asked once too often.
    """

    def __init__(self, view: View, *, on: bool = True) -> None:
        self.on = on
        self._view = view
        self._line = ""
        self._found = ""
        """What stood behind the prompt when the first key was typed: somebody's half line."""

    def decide(self, key: str) -> Decision:
        """What becomes of this keystroke. What is sent counts as typed."""
        decision = self._decide(key) if self.on else Decision(key)
        for char in decision.keys if len(key) == 1 else "":
            self._type(char)
        return decision

    def confirmed(self) -> str:
        """The person agreed to the line that was asked about: the keys to send."""
        self._line = self._found = ""
        return ENTER[0]

    def _decide(self, key: str) -> Decision:
        shown = self._shown()
        if key in ENTER:
            lines = (shown, self._line, self._found + self._line) if self._may_be_sac() else ()
            line = next(filter(_acts, lines), "")
            return Decision(confirm=line.strip()) if line else Decision(key)
        if not self._view.at_sac:
            return Decision(key)
        if key == CTRL_C:
            erase = "\b" * max(len(self._found + self._line), len(shown))
            return Decision(erase, notice="Ctrl-C runs a line at SAC>, so it was erased instead")
        if key.startswith(ESC) and len(key) > 1:
            return Decision(notice="SAC> knows no arrow and function keys")
        return Decision(key)

    def _shown(self) -> str:
        return self._view.screen.before_cursor().removeprefix(SAC_PROMPT)

    def _may_be_sac(self) -> bool:
        """At the prompt; or where no prompt shows, as on a console that was quiet so far."""
        if self._view.in_cmd:
            return False
        return self._view.at_sac or self._shown().strip() in self._line

    def _type(self, char: str) -> None:
        if char in ENTER or self._view.in_cmd:
            self._line = self._found = ""
        elif char in _ERASERS:
            if not self._line:
                self._found = self._found[:-1]
            self._line = self._line[:-1]
        elif char.isprintable():
            if not self._line and self._view.at_sac:
                self._found = self._shown()
            self._line += char


def _acts(line: str) -> bool:
    return line.strip().lower().startswith(ACT_AT_ONCE)
