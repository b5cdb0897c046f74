"""How a console window gets on the wire: the scraper and the ConPTY of sac.md §6.2.

Both keep the picture that the far end has by now (`shown`, `cursor`) and send what makes it equal
to the window.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import ne
from random import Random

from serialfix.lab.cells import COLUMNS, ROWS, TAIL, blank_rows, paint
from serialfix.lab.console import Console


Emit = Callable[[str], None]


class Renderer:
    """What both have in common: the picture, and when the next frame is due."""

    def __init__(self, console: Console, emit: Emit, *, tick: float) -> None:
        self.console = console
        self.shown = blank_rows()
        self.cursor = (0, 0)
        self._emit = emit
        self._tick = tick
        self._timer: asyncio.TimerHandle | None = None
        console.watcher = self

    def start(self) -> None:
        """The first paint."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what is different now."""
        raise NotImplementedError

    def changed(self) -> None:
        """Have the next poll look; an idle window costs nothing."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._due(loop.time()), self._on_timer)

    def scrolling(self, *, by_wrap: bool) -> None:
        """The window scrolls."""

    def titled(self) -> None:
        """The window has another title."""

    def _due(self, now: float) -> float:
        return now + self._tick

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()

    def stop(self) -> None:
        """The last frame, then nothing more."""
        if self.console.watcher is None:
            return
        self.flush()
        self.console.watcher = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def repaint(self) -> str:
        """The picture as the SAC driver shows it when the channel comes into view again."""
        row, column = self.cursor
        self.cursor = (row, min(column, COLUMNS - 1))
        return paint(self.shown, row, column)

    def _changed_rows(self) -> list[int]:
        rows = enumerate(zip(self.console.rows, self.shown, strict=True))
        return [number for number, (new, old) in rows if new != old]

    def _differences(self, number: int) -> list[bool]:
        """Which cells of a row are different; a wide character is so as a whole."""
        new, old = self.console.rows[number], self.shown[number]
        different = list(map(ne, new, old))
        if TAIL in new:
            for column in range(1, COLUMNS):
                if new[column] == TAIL:
                    either = different[column - 1] or different[column]
                    different[column - 1] = different[column] = either
        return different


@dataclass(frozen=True, slots=True)
class _Dialect:
    """The delta grammar of a scraper is not publicly known (§12): each guest has its own."""

    clears: bool
    cursor_follows: bool
    uses_crlf: bool
    colours: str
    gap: int
    ends_with_nul: bool

    @classmethod
    def pick(cls, rng: Random) -> _Dialect:
        return cls(
            clears=rng.random() < 0.5,
            cursor_follows=rng.random() < 0.7,
            uses_crlf=rng.random() < 0.5,
            colours=rng.choice(("", "\x1b[m", "\x1b[0;37;40m", "\x1b[40;37m")),
            gap=rng.choice((0, 1, 4)),
            ends_with_nul=rng.random() < 0.3,
        )


class Scraper(Renderer):
    """WS2016, WS2019: polls the window and sends only the cells that changed.

    What comes and goes between two polls never reaches the wire; a character that is already
    there is not sent again.
    """

    def __init__(self, console: Console, emit: Emit, *, tick: float, rng: Random) -> None:
        super().__init__(console, emit, tick=tick)
        self._rng = rng
        self._dialect = _Dialect.pick(rng)
        self._seen_scrolls = 0

    def _due(self, now: float) -> float:
        return math.floor(now / self._tick + 1) * self._tick if self._tick else now

    def start(self) -> None:
        """The login text is wiped: at once, or row by row with the first frame."""
        if self._dialect.clears:
            self._emit("\x1b[2J\x1b[1;1H")
            self.flush()
        else:
            self._emit("".join(f"\x1b[{row};1H\x1b[K" for row in range(1, ROWS + 1)))
            self.cursor = (ROWS - 1, 0)
            self.flush()

    def flush(self) -> None:
        """One poll."""
        console = self.console
        scrolled, self._seen_scrolls = console.scrolled != self._seen_scrolls, console.scrolled
        whole = scrolled and self._rng.random() < 0.5
        out = "".join([self._row(number, whole=whole) for number in self._changed_rows()])
        target = (console.row, min(console.column, COLUMNS - 1))
        if self.cursor != target and (out or self._dialect.cursor_follows):
            out += self._go(*target)
        if out:
            self._emit(self._dialect.colours + out + "\0" * self._dialect.ends_with_nul)

    def _row(self, number: int, *, whole: bool) -> str:
        """Paint one row: all of it after a scroll, else the runs of changed cells."""
        new = self.console.rows[number]
        different = [True] * COLUMNS if whole else self._differences(number)
        self.shown[number] = list(new)
        blank = COLUMNS  # from here on
        while blank and new[blank - 1] == " ":
            blank -= 1
        out = []
        column = 0
        while column < COLUMNS:
            if not different[column]:
                column += 1
                continue
            if column >= blank and self._rng.random() < 0.8:
                out.append(self._go(number, column) + "\x1b[K")
                break
            end = self._run_end(different, column)
            out.append(self._go(number, column) + "".join(new[column:end]))
            self.cursor = (number, end)
            column = end
        return "".join(out)

    def _run_end(self, different: list[bool], start: int) -> int:
        """Where a run of changed cells ends; a few equal ones between are cheaper to send."""
        end = start
        for column in range(start, COLUMNS):
            if different[column]:
                end = column + 1
            elif column - end >= self._dialect.gap:
                break
        return end

    def _go(self, row: int, column: int) -> str:
        here, self.cursor = self.cursor, (row, column)
        if here == (row, column):
            return ""
        if here[0] + 1 == row and column == 0 and self._dialect.uses_crlf:
            return "\r\n"
        return f"\x1b[{row + 1};{column + 1}H"


class ConPty(Renderer):
    """WS2022 and later: a VT stream, made of frames, that holds every line that scrolls by."""

    BLANKS = 3  # a longer run of blanks is jumped over

    def __init__(self, console: Console, emit: Emit, *, tick: float) -> None:
        super().__init__(console, emit, tick=tick)
        self._owes_scroll = False
        self._jumped = False

    def start(self) -> None:
        """Byte for byte as captured: the picture comes twice (§6.2)."""
        console = self.console
        self.shown = [list(row) for row in console.rows]
        rows = ["".join(row).rstrip() for row in console.rows]
        target = f"\x1b[{console.row + 1};{console.column + 1}H"
        head = "\r\n".join(rows[:2])
        self._emit(
            "\x1b[18t\x1b[18t\x1b[?25l\x1b[2J\x1b[m\x1b[H"
            f"{head}\x1b[{console.row + 1};1H{rows[console.row]}{self._osc()}\x1b[?25h"
        )
        body = "\r\n".join(f"{row}\x1b[K" for row in rows)
        self._emit(f"\x1b[?25l\x1b[H{body}{target}\x1b[?25h")
        self.cursor = (console.row, console.column)

    def _osc(self) -> str:
        return f"\x1b]0;{self.console.title}\x07"

    def titled(self) -> None:
        """The title comes behind the text that was written before it."""
        self.flush()
        self._emit(self._osc())

    def scrolling(self, *, by_wrap: bool) -> None:
        """The row that is about to be lost is sent first, then the scroll."""
        self._frame(park=False)
        if self._owes_scroll:
            self._emit("\r\n")
        self._owes_scroll = by_wrap and self.cursor == (ROWS - 1, COLUMNS)
        if self._owes_scroll:  # the terminal scrolls by itself with the next character
            self.cursor = (ROWS - 2, COLUMNS)
        else:
            self._emit("\r\n" if self.cursor[0] == ROWS - 1 else f"\x1b[{ROWS};1H\n")
            self.cursor = (ROWS - 1, 0)
        del self.shown[0]
        self.shown.append([" "] * COLUMNS)

    def flush(self) -> None:
        """One frame."""
        self._frame(park=True)

    def _frame(self, *, park: bool) -> None:
        self._jumped = False
        out = "".join([self._row(number) for number in self._changed_rows()])
        target = (self.console.row, self.console.column)
        if park and self.cursor != target and not self._owes_scroll:
            out += self._park(*target)
        if out:  # the cursor is hidden while it jumps about
            self._emit(f"\x1b[?25l{out}\x1b[?25h" if self._jumped else out)

    def _park(self, row: int, column: int) -> str:
        if column < COLUMNS:
            return self._go(row, column)
        # No escape goes behind column 80: the character there is sent (again).
        last = self.console.rows[row][-2:]
        start = COLUMNS - (2 if last[1] == TAIL else 1)
        out = self._go(row, start) + "".join(last[start - COLUMNS :])
        self.cursor = (row, COLUMNS)
        return out

    def _row(self, number: int) -> str:
        new, old = self.console.rows[number], self.shown[number]
        places = [column for column, other in enumerate(self._differences(number)) if other]
        first, last = places[0], places[-1]
        text_end = len("".join(cell or "\0" for cell in new).rstrip())
        wraps = number > 0 and self.cursor == (number - 1, COLUMNS)
        out = [self._go(number, first)]
        column = first
        if wraps and out == [""]:  # only a character makes the terminal wrap, ESC[nC does not
            out.append(new[first])
            column += 1
        while column <= min(last, text_end - 1):
            blanks = 0
            while new[column + blanks] == " " == old[column + blanks] and column + blanks < last:
                blanks += 1
            if blanks > self.BLANKS:
                out.append(f"\x1b[{blanks}C")
                column += blanks
            else:
                out.append(new[column])
                column += 1
        self.cursor = (number, column)
        if last >= text_end:
            out.append("\x1b[K")
        self.shown[number] = list(new)
        return "".join(out)

    def _go(self, row: int, column: int) -> str:
        (here_row, here_column), self.cursor = self.cursor, (row, column)
        if (here_row, here_column) == (row, column):
            return ""
        follows = here_row + 1 == row and column == 0
        if follows and here_column == COLUMNS and self.console.wrapped[here_row]:
            self._owes_scroll = False
            return ""  # the terminal wraps by itself: no CR LF at column 80
        owed = "\r\n" if self._owes_scroll else ""
        self._owes_scroll = False
        if owed:
            here_row, here_column = ROWS - 1, 0
            follows = False
            if (row, column) == (here_row, here_column):
                return owed
        if follows:
            return "\r\n"
        if here_row == row and here_column < COLUMNS:
            if column == here_column - 1:
                return "\b"
            if column > here_column:
                return owed + f"\x1b[{column - here_column}C"
        self._jumped = True
        return owed + f"\x1b[{row + 1};{column + 1}H"

    def repaint(self) -> str:
        """As of every renderer; the picture owes nothing any more."""
        self._owes_scroll = False
        return super().repaint()
