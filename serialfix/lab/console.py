"""The console window of one cmd.exe: 24 rows of 80 cells, no scroll-back (sac.md §6)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Protocol

from serialfix.lab.cells import COLUMNS, ROWS, TAIL, blank_rows


class Watcher(Protocol):
    """The renderer behind a window."""

    def changed(self) -> None:
        """Something is different now; paint it when it is time."""

    def scrolling(self, *, by_wrap: bool) -> None:
        """The top row is about to be lost."""

    def titled(self) -> None:
        """The window has another title."""


def width(char: str) -> int:
    """How many cells a character takes."""
    return 2 if char > "\x7f" and unicodedata.east_asian_width(char) in "WF" else 1


class Console:
    """The window that programs write to and that renderers read.

    `column` may be 80 with `delayed_wrap`: the row is full and the next character starts a new
    one. Without it (older versions) the cursor is on the new row at once.
    """

    def __init__(self, *, delayed_wrap: bool) -> None:
        self.rows = blank_rows()
        self.wrapped = [False] * ROWS
        self.row = 0
        self.column = 0
        self.title = ""
        self.scrolled = 0
        self.watcher: Watcher | None = None
        self._delayed_wrap = delayed_wrap

    def write(self, text: str) -> None:
        """Text with CR, LF, BS, TAB; other control characters show nothing."""
        for char in text:
            if char >= " ":
                self._put(char)
                continue
            match char:
                case "\r":
                    self.column = 0
                case "\n":
                    self._next_row(by_wrap=False)
                case "\b":
                    self.column = max(0, min(self.column, COLUMNS) - 1)
                case "\t":
                    self.write(" " * (8 - self.column % 8))
        self._changed()

    def _put(self, char: str) -> None:
        size = width(char)
        if self.column + size > COLUMNS:
            self._next_row(by_wrap=True)
        row, at = self.rows[self.row], self.column
        if row[at] == TAIL:  # half of a wide character takes the other half with it
            row[at - 1] = " "
        row[at] = char
        if size == 2:
            row[at + 1] = TAIL
        self.column += size
        if self.column < COLUMNS and row[self.column] == TAIL:
            row[self.column] = " "
        if self.column == COLUMNS and not self._delayed_wrap:
            self._next_row(by_wrap=True)

    def _next_row(self, *, by_wrap: bool) -> None:
        self.wrapped[self.row] = by_wrap
        if self.row < ROWS - 1:
            self.row += 1
            self.column = 0
            return
        if self.watcher is not None:
            self.watcher.scrolling(by_wrap=by_wrap)
        self.column = 0
        del self.rows[0], self.wrapped[0]
        self.rows.append([" "] * COLUMNS)
        self.wrapped.append(False)
        self.scrolled += 1

    def erase(self) -> None:
        """Take back the character before the cursor, also over the border of a row."""
        cell = TAIL
        while cell == TAIL:
            if self.column == 0 and self.row > 0:
                self.row -= 1
                self.wrapped[self.row] = False
                self.column = COLUMNS
            self.column = max(0, self.column - 1)
            cell, self.rows[self.row][self.column] = self.rows[self.row][self.column], " "
        self._changed()

    def picture(self, rows: Mapping[int, Sequence[str]], row: int, column: int) -> None:
        """Rows as another console has them, one character a place; what is too wide is lost."""
        for number, chars in rows.items():
            cells = [cell for char in chars for cell in (char, TAIL)[: width(char)]][:COLUMNS]
            if width(cells[-1] or " ") > 1:
                cells[-1] = " "
            self.rows[number][:] = cells
        self.row, self.column = row, min(column, COLUMNS)
        self._changed()

    def clear(self) -> None:
        """As `cls` does."""
        self.rows[:] = blank_rows()
        self.wrapped[:] = [False] * ROWS
        self.row = self.column = 0
        self._changed()

    def entitle(self, title: str) -> None:
        """Give the window a title."""
        self.title = title
        if self.watcher is not None:
            self.watcher.titled()

    def _changed(self) -> None:
        if self.watcher is not None:
            self.watcher.changed()
