"""The console's picture on a person's terminal, in escape codes of our own only.

Nothing the guest sends is passed on: the 80x24 cells are painted, what does not plainly print is a
replacement character, and only we use reverse video, so the guest cannot imitate our words.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

from serialfix.console.screen import COLUMNS, ROWS, Screen
from serialfix.printable import printable


START = "\x1b[?1049h\x1b[?7l\x1b[2J"
"""The terminal's other screen, without wrapping at the right edge."""
END = "\x1b[0m\x1b[2J\x1b[?7h\x1b[?25h\x1b[?1049l"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_REVERSE, _PLAIN = "\x1b[7m", "\x1b[0m"
_ERASE = "\x1b[2K"
_MARKS = 4
"""A cell may hold a letter with combining marks; no script needs more."""


class Painter:
    """Remembers what the terminal shows and gives what changes it."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._size = (0, 0)

    def forget(self) -> None:
        """The terminal may show anything: paint all of it the next time."""
        self._shown = []

    def paint(
        self,
        screen: Screen,
        size: tuple[int, int],
        *,
        status: str,
        notice: str = "",
        dialog: Sequence[str] = (),
    ) -> str:
        """What to write on a terminal of `size` (columns, rows); empty when nothing changed.

        Below the 24 rows stands the status, or a notice; on a terminal that is too small they
        take its last row, and on 80x24 a notice lies over the picture for a while. A dialog lies
        over the lower rows, and the cursor stands in it.
        """
        width, height = size
        short = width < COLUMNS or height < ROWS
        height = min(height, ROWS + 1)
        if short:
            status = f" {width}x{height} is too small, enlarge to {COLUMNS}x{ROWS} |{status}"
        own = [row for line in dialog or filter(None, [notice]) for row in _folded(line, width)]
        if not own and (short or height > ROWS):
            own = [status]
        own = own[-height:]
        free = height - len(own)

        y, x = screen.cursor
        x = min(x, COLUMNS - 1)
        room = min(ROWS, height - (1 if short else 0))
        top = max(0, min(y - room + 1, ROWS - room))
        left = max(0, min(x - width + 1, COLUMNS - width))
        rows = [_row(screen, top + at, left, width, at) for at in range(min(room, height))]
        rows += [""] * (height - len(rows))
        if not dialog and own and y - top >= free:  # the notice must not hide the cursor's row
            rows[: len(own)] = [_bar(text, width) for text in own]
        else:
            rows[free:] = [_bar(text, width) for text in own]
        cursor = (y - top, x - left)
        if dialog:
            cursor = (height - 1, min(len(own[-1]), width - 1))
        return self._difference(rows, cursor, size)

    def _difference(self, rows: list[str], cursor: tuple[int, int], size: tuple[int, int]) -> str:
        place = f"\x1b[{cursor[0] + 1};{cursor[1] + 1}H"
        if size != self._size or not self._shown:
            self._size, self._shown = size, [""] * len(rows) + [""]
            text = f"{_PLAIN}\x1b[2J"
        else:
            text = ""
        text += "".join(
            f"\x1b[{at};1H{_ERASE}{row}"
            for at, (row, old) in enumerate(zip(rows, self._shown, strict=False), start=1)
            if row != old
        )
        moved = place != self._shown[-1]
        self._shown = [*rows, place]
        return f"{_HIDE}{text}{place}{_SHOW}" if text or moved else ""


def _row(screen: Screen, y: int, left: int, width: int, at: int) -> str:
    """A row of the picture. Behind a character that is not ASCII the place is given anew.

    How wide a character is, terminals do not agree on.
    """
    cells = screen.cells(y)[left : left + width]
    end = len(cells)
    while end and cells[end - 1] == " ":
        end -= 1
    text, lost = "", False
    for column, cell in enumerate(cells[:end]):
        if not cell:  # the second half of a wide character
            continue
        if cell.isascii() and cell.isprintable():
            text += f"\x1b[{at + 1};{column + 1}H{cell}" if lost else cell
            lost = False
            continue
        text += f"\x1b[{at + 1};{column + 1}H{_safe(cell, last=column == width - 1)}"
        lost = True
    return text


def _safe(cell: str, *, last: bool) -> str:
    cell = cell[:_MARKS]
    base = printable(cell) == cell and not unicodedata.combining(cell[0])
    wide = unicodedata.east_asian_width(cell[0]) in "WF"
    return cell if base and not (last and wide) else "\N{REPLACEMENT CHARACTER}"


def _folded(line: str, width: int) -> list[str]:
    """Words of ours as rows that fit; the blank behind a question stays."""
    end = " " if line.endswith(" ") else ""
    rows = textwrap.wrap(printable(line), max(width - 1, 1), subsequent_indent="   ") or [""]
    return [*rows[:-1], rows[-1] + end]


def _bar(text: str, width: int) -> str:
    """Words of ours, in reverse video over the whole width."""
    return f"{_REVERSE}{printable(text)[:width].ljust(width)}{_PLAIN}"
