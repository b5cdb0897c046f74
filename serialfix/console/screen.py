"""The 80x24 screen and what can be asked of it.

Everything is decided on this picture, never on the stream: a scraping renderer does not send
unchanged cells again, ConPTY shows a command twice, repaints bring old text back (sac.md §6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any

import pyte
import pyte.modes
from wcwidth import wcwidth


COLUMNS, ROWS = 80, 24


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the paper: a line counted over scrolling, valid until the screen is cleared."""

    epoch: int
    line: int


_CELLS = {char: pyte.screens.Char(char) for char in map(chr, range(0x20, 0x7F))}


class _Grid(pyte.Screen):
    """pyte's screen with a count of what scrolled away; the size is fixed, SAC knows no other."""

    def __init__(self) -> None:
        self.scrolled = 0
        self.epoch = 0
        self.lowest = 0
        self.moved = 0
        """By how many rows all of them moved up; `dirty` is what was drawn, where it is now."""
        super().__init__(COLUMNS, ROWS)

    def reset(self) -> None:
        self.epoch += 1
        super().reset()

    def index(self) -> None:
        if self.cursor.y != (self.margins.bottom if self.margins else ROWS - 1):
            self.cursor_down()
            return
        self.scrolled += 1
        if self.margins:
            super().index()
            return
        for y in range(ROWS - 1):
            self.buffer[y] = self.buffer[y + 1]
        self.buffer.pop(ROWS - 1, None)
        self.moved += 1  # and not all of them dirty, as with pyte
        self.dirty = {y - 1 for y in self.dirty if y} | {ROWS - 1}

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        if how in (2, 3):
            self.epoch += 1
            self.lowest = 0
            for y in range(ROWS):
                self.buffer[y].clear()  # pyte makes a blank of every cell, which has a colour
            self.dirty.update(range(ROWS))
        else:
            super().erase_in_display(how, *args, **kwargs)

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        super().cursor_position(line, column)
        self.lowest = max(self.lowest, self.cursor.y)

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        super().set_mode(*_without_132_columns(modes, kwargs), **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        super().reset_mode(*_without_132_columns(modes, kwargs), **kwargs)

    def select_graphic_rendition(self, *attrs: int, **kwargs: Any) -> None:
        """Colours do not matter here."""

    def draw(self, data: str) -> None:
        """As pyte, with a short cut for what a console nearly always sends: plain ASCII."""
        plain = data.isascii() and data.isprintable()
        if not plain or self.charset or pyte.modes.IRM in self.mode:
            self._draw_slowly(data)
            return
        while data:
            if self.cursor.x == COLUMNS:
                self.carriage_return()
                self.linefeed()
            row, x = self.buffer[self.cursor.y], self.cursor.x
            part, data = data[: COLUMNS - x], data[COLUMNS - x :]
            self.cursor.x = x + len(part)
            row.update(zip(range(x, self.cursor.x), map(_CELLS.__getitem__, part), strict=True))
            self.dirty.add(self.cursor.y)

    def _draw_slowly(self, data: str) -> None:
        """As pyte; but a character that has no width takes a cell, as in a Windows console.

        At a format character, such as one that reverses text, pyte drops the rest of what it
        draws, and marks it melts into the letter before: a value would be read as another.
        """
        for placeless, chars in groupby(data, _is_placeless):
            if not placeless:
                super().draw("".join(chars))
                continue
            for char in chars:
                super().draw(" ")
                row, x = self.buffer[self.cursor.y], self.cursor.x - 1
                row[x] = row[x]._replace(data=char)

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Nothing on the wire may change the size."""


class _Stream(pyte.Stream):
    """As pyte, but the usual escape codes are read at once, and not letter by letter."""

    def __init__(self, grid: _Grid) -> None:
        super().__init__(grid)
        self._grid = grid
        self._controls: dict[str, Callable[[], None]] = {
            "\r": grid.carriage_return,
            "\n": grid.linefeed,
            "\b": grid.backspace,
        }

    def feed(self, data: str) -> None:
        """Draw, and do what the codes say."""
        grid, controls, text_at = self._grid, self._controls, self._text_pattern.match
        at, end, between = 0, len(data), self._taking_plain_text
        while at < end:
            if between:
                if text := text_at(data, at):
                    grid.draw(text[0])
                    at = text.end()
                    continue
                if control := controls.get(data[at]):
                    control()
                    at += 1
                    continue
                if code := _CODE.match(data, at):
                    does, numbers, private = _read(code[0])
                    getattr(grid, does)(*numbers, **private)
                    at = code.end()
                    continue
            between = self._send_to_parser(data[at])
            at += 1
        self._taking_plain_text = between

    def _send_to_parser(self, data: str) -> bool | None:
        try:
            return super()._send_to_parser(data)
        except (TypeError, UnboundLocalError, AssertionError):  # numbers that pyte does not know
            return True


_CODE = re.compile(
    r"\x1b\[(?:[0-9]{0,4}[Cm]|[0-3]?J|[0-2]?K|[0-9]{0,4}(?:;[0-9]{0,4})?H|\?[0-9]{1,4}[hl])"
)


@lru_cache(maxsize=4096)
def _read(code: str) -> tuple[str, tuple[int, ...], dict[str, bool]]:
    """What pyte does for a code, and with which arguments."""
    private = code[2] == "?"
    numbers = tuple(int(number or 0) for number in code[3 if private else 2 : -1].split(";"))
    return pyte.Stream.csi[code[-1]], numbers, {"private": True} if private else {}


def _blank_halves(row: list[str]) -> None:
    """What is left of a wide character when one of its cells was drawn over is a blank."""
    for x, char in enumerate(row):
        wide_before = x > 0 and wcwidth(row[x - 1]) > 1
        if (char == "" and not wide_before) or (
            wcwidth(char) > 1 and x + 1 < COLUMNS and row[x + 1] != ""
        ):
            row[x] = " "


def _is_placeless(char: str) -> bool:
    return wcwidth(char) <= 0


def _without_132_columns(modes: tuple[int, ...], kwargs: dict[str, Any]) -> list[int]:
    return [
        mode for mode in modes if not (kwargs.get("private") and mode == pyte.modes.DECCOLM >> 5)
    ]


class Screen:
    """What a person in front of the console would see."""

    def __init__(self) -> None:
        self._grid = _Grid()
        self._stream = _Stream(self._grid)
        self._rows: dict[int, list[str]] = {}
        self._texts: dict[int, str] = {}
        self.changed: set[int] = set()
        """Rows that were drawn on, where they are now; whoever looks at them takes them out."""

    def feed(self, text: str) -> None:
        """Draw decoded text, escape codes included."""
        self._stream.feed(text)
        if moved := self._grid.moved:
            self._grid.moved = 0
            self._rows = {y - moved: row for y, row in self._rows.items() if y >= moved}
            self._texts = {y - moved: text for y, text in self._texts.items() if y >= moved}
            self.changed = {y - moved for y in self.changed if y >= moved}
        for y in self._grid.dirty:
            self._rows.pop(y, None)
            self._texts.pop(y, None)
        self.changed |= self._grid.dirty
        self._grid.dirty.clear()

    def blank_after_cursor(self) -> None:
        """Forget what stands behind the cursor; what is on the wire is not disturbed."""
        self._grid.erase_in_display(0)
        self.feed("")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0; column 80 means that the next character wraps."""
        return self._grid.cursor.y, self._grid.cursor.x

    def cells(self, y: int) -> list[str]:
        """The 80 cells of a row; the second cell of a wide character is empty."""
        if (row := self._rows.get(y)) is None:
            row = self._rows[y] = [" "] * COLUMNS
            for x, cell in self._grid.buffer[y].items():  # only the cells that were ever written
                if x < COLUMNS:
                    row[x] = cell.data
            text = "".join(row)
            if len(text) != COLUMNS or not text.isascii():
                _blank_halves(row)
        return row

    def row(self, y: int) -> str:
        """The text of a row without trailing blanks."""
        if (text := self._texts.get(y)) is None:
            drawn = self._grid.buffer.get(y)
            text = self._texts[y] = "".join(self.cells(y)).rstrip(" ") if drawn else ""
        return text

    def rows(self) -> list[str]:
        """All 24 rows."""
        return [self.row(y) for y in range(ROWS)]

    def text(self) -> str:
        """The whole picture, without the blank rows at its end."""
        return "\n".join(self.rows()).rstrip("\n")

    def before_cursor(self) -> str:
        """The cursor's row up to the cursor, trailing blanks kept: the prompt, on a fresh line."""
        y, x = self.cursor
        return "".join(self.cells(y)[:x])

    @property
    def painted(self) -> bool:
        """Whether the last row was addressed since the screen was cleared: a repaint, which goes
        from the first row to the last (sac.md §6.1), is not under way any more."""
        return self._grid.lowest == ROWS - 1

    def at_prompt(self, prompt: str) -> bool:
        """Whether the cursor stands right behind `prompt`, alone on its row."""
        return self.before_cursor() == prompt and self.row(self.cursor[0]) == prompt.rstrip(" ")

    def typed(self, prompt: str) -> str | None:
        """What stands between `prompt` and the cursor, over wrapped rows, cell for cell.

        Returns None when there is no such prompt at or above the cursor, or when anything stands
        behind the cursor: then the line is not what a person would call typed.
        """
        y, x = self.cursor
        if x == COLUMNS - 1 and self.cells(y)[x] != " ":
            x = COLUMNS  # a repaint cannot put the cursor behind the last cell (sac.md §6.1)
        if self.row(y) != "".join(self.cells(y)[:x]).rstrip(" "):
            return None
        top = self.top_of(prompt)
        if top < 0:
            return None
        rows = [*(self.cells(row) for row in range(top, y)), self.cells(y)[:x]]
        return _flow(rows)[len(prompt) :]

    def in_line(self, prompt: str) -> bool:
        """Whether the cursor stands in a line behind `prompt`, empty or half typed.

        Not so where the line was entered and its command still runs: then a row between them is
        not full.
        """
        if self.typed(prompt) is None:
            return False
        wrapped = range(self.top_of(prompt), self.cursor[0])
        return all(any(cell != " " for cell in self.cells(y)[-3:]) for y in wrapped)

    def top_of(self, prompt: str) -> int:
        """The lowest row, at or above the cursor, that begins with `prompt`; -1 without one."""
        for y in range(self.cursor[0], -1, -1):
            if self.row(y).startswith(prompt.rstrip(" ")) and self._starts(y, prompt):
                return y
        return -1

    def _starts(self, y: int, prompt: str) -> bool:
        return "".join(self.cells(y)).startswith(prompt)

    def mark(self) -> Mark:
        """The cursor's line, to ask later what came below it."""
        return Mark(self._grid.epoch, self._grid.scrolled + self._grid.cursor.y)

    def since(self, mark: Mark) -> list[str] | None:
        """The rows below a mark down to the cursor's; None when the screen was cleared since."""
        if mark.epoch != self._grid.epoch:
            return None
        first = mark.line + 1 - self._grid.scrolled
        return [self.row(y) for y in range(max(0, first), self._grid.cursor.y + 1)]

    def output_of(self, prompt: str, line: str, until: str) -> list[str] | None:
        """The rows between the last shown `prompt + line` and the last `prompt + until` behind it,
        with the blanks at their ends.

        None when the typed line is no longer on the screen, so that the beginning of the output is
        lost.
        """
        bottom, _ = self._find(prompt + until, self.cursor[0])
        top, height = self._find(prompt + line, bottom)
        return ["".join(self.cells(y)) for y in range(top + height, bottom)] if top >= 0 else None

    def _find(self, text: str, below: int) -> tuple[int, int]:
        """Top and height of the lowest rows above row `below` that hold just `text`; -1: none."""
        height = len(list(_breaks(text))) + 1
        for top in range(below - height, -1, -1):
            rows = [self.cells(y) for y in range(top, top + height)]
            if _flow(rows).rstrip(" ") == text.rstrip(" "):
                return top, height
        return -1, height


def _flow(rows: list[list[str]]) -> str:
    """Rows as one text, without the cell that stays blank where a character of two cells did not
    fit at the end of its row."""
    parts = ["".join(row) for row in rows]
    for at, below in enumerate(rows[1:]):
        if parts[at].endswith(" ") and below[1:2] == [""]:
            parts[at] = parts[at][:-1]
    return "".join(parts)


def _breaks(text: str) -> Iterator[int]:
    """Where the rows of a text begin that starts in the first column, but for the first row."""
    column = 0
    for at, char in enumerate(text):
        width = max(1, wcwidth(char))
        if column + width > COLUMNS:
            yield at
            column = 0
        column += width


def hides_a_blank(text: str) -> bool:
    """Whether a blank of the text stands where one cannot be told from none: in the last cell of a
    row, before a character of two cells."""
    starts = [0, *_breaks(text)]
    widths = [sum(map(wcwidth, text[one:other])) for one, other in pairwise(starts)]
    return any(
        text[at - 1] == " " and width == COLUMNS and wcwidth(text[at]) > 1
        for at, width in zip(starts[1:], widths, strict=True)
    )


def joined(rows: list[str]) -> list[str]:
    """Lines out of rows: one that is filled to its last cell goes on in the next.

    A line with a blank in its last cell cannot be told from one that ends there.
    """
    lines: list[str] = []
    whole = False
    for row in rows:
        if whole:
            lines[-1] += row.rstrip(" ")
        else:
            lines.append(row.rstrip(" "))
        whole = not row.endswith(" ")
    return lines
