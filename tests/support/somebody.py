"""Somebody else who was at the console before us, by what they typed there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from serialfix.lab.guest import PASSWORD, USERNAME, Guest


HOME = "\x1b\t0"
PROGRAM = "robocopy"
"""Runs for ever where the guest's `hang_on` says so."""
LOGIN = ("cmd\r", "ch -sn Cmd0001\r", " ")
SHELL = (*LOGIN, f"{USERNAME}\r", "\r", f"{PASSWORD}\r")
_ASKS = r'reg delete "HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server" /v fDenyTSConnections'

WORKING: dict[str, tuple[str, Sequence[str]]] = {
    "at a prompt": ("Cmd0001", SHELL),
    "in the middle of a line": ("Cmd0001", (*SHELL, r"del C:\imp")),
    "with a program that runs": ("Cmd0001", (*SHELL, f"{PROGRAM} C: D: /mir\r")),
    "with a program that asks": ("Cmd0001", (*SHELL, f"{_ASKS}\r")),
    "at a login": ("Cmd0001", LOGIN),
    "in the middle of a login": ("Cmd0001", (*LOGIN, f"{USERNAME}\r", "COR")),
    "at the password": ("Cmd0001", (*LOGIN, f"{USERNAME}\r", "\r", PASSWORD[:5])),
    "at a channel's banner": ("Cmd0001", LOGIN[:-1]),
    "in the second of two channels": (
        "Cmd0002",
        (*SHELL, HOME, " ", "cmd\r", "ch -sn Cmd0002\r", " ", f"{USERNAME}\r"),
    ),
    "in the first of three channels": ("Cmd0001", (*LOGIN[:1], *LOGIN[:1], *SHELL, r"del C:\imp")),
}
"""What somebody is in the middle of: the channel that is theirs, and what brought them there."""
AWAY: dict[str, Sequence[str]] = {
    "nobody": (),
    "at SAC, a channel in the background": (*SHELL, HOME, " "),
    "at SAC's banner": (*SHELL, "dir", HOME),
    "with half a line at SAC": (*SHELL, HOME, " ", "ch -sn Cm"),
    "in a channel that has ended": (*SHELL, "exit\r"),
    "at SAC, three channels in the background": ("cmd\r", "cmd\r", "cmd\r"),
}
"""What is nobody's session."""


async def somebody(guest: Guest, typed: Sequence[str]) -> None:
    """They type it, waiting for each answer, and stay there."""
    for keys in typed:
        for key in keys:
            guest.write(key.encode())
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)


class Theirs:
    """Somebody's channel of a guest, watched from now on."""

    def __init__(self, guest: Any, name: str) -> None:
        self._sac = guest._sac
        self.session = next(each for each in self._sac.sessions if each.name == name)
        self.keys = bytearray()
        """All that was typed into it since."""
        self.was = self.picture
        key = self.session.key

        def noted(byte: int) -> None:
            self.keys.append(byte)
            key(byte)

        self.session.key = noted

    @property
    def picture(self) -> list[str]:
        """What its window shows, or its login."""
        renderer = self.session._renderer
        cells = renderer.shown if renderer else self.session._cells.rows
        return ["".join(row) for row in cells]

    @property
    def in_view(self) -> bool:
        """Whether the console shows it, or its banner."""
        return self._sac._slots[self._sac._current] is self.session

    def as_they_left_it(self) -> bool:
        """Nothing was typed into it, nothing in it changed, and it is in view."""
        return self.in_view and not self.keys and self.picture == self.was
