"""The 24x80 cells that the SAC driver keeps of a channel, and how it paints them (sac.md §6.1)."""

from __future__ import annotations

from collections.abc import Sequence


ROWS = 24
COLUMNS = 80
TAIL = ""  # the second cell of a wide character
ZERO = "\0"  # a cell of a row that came by scrolling
COLOURS = "\x1b[40m\x1b[37m"
_PLAIN = "\x1b[22m\x1b[25m\x1b[27m" + COLOURS


def blank_rows() -> list[list[str]]:
    """An empty screen."""
    return [[" "] * COLUMNS for _ in range(ROWS)]


def paint(rows: Sequence[Sequence[str]], row: int, column: int) -> str:
    """The full repaint of a channel; `row` and `column` of the cursor count from 0."""
    out = ["\x1b[2J\x1b[1;1H\x1b[0m", _PLAIN]
    coloured = True
    for number, cells in enumerate(rows):
        if number:
            out.append(f"\x1b[{number + 1};1H")
        for place, cell in enumerate(cells):
            if cell == ZERO:
                if coloured:
                    out.append("\x1b[0m\x1b[0m")
                    coloured = False
                continue
            if place and cells[place - 1] == ZERO:
                out.append(f"\x1b[{number + 1};{place + 1}H")
            if not coloured:
                out.append(COLOURS)
                coloured = True
            out.append(cell)
    out.append(f"\x1b[{row + 1};{min(column, COLUMNS - 1) + 1}H")
    out.append(_PLAIN)
    return "".join(out)


class Cells:
    """A channel's screen: no wrap, LF is column 0, CR is the next row, rows scroll in as zeros."""

    def __init__(self) -> None:
        self.rows = blank_rows()
        self.row = 0
        self.column = 0

    def write(self, text: str) -> None:
        """Plain text with CR, LF, BS and TAB."""
        for char in text:
            match char:
                case "\r":
                    self._next_row()
                case "\n":
                    self.column = 0
                case "\b":
                    self.column = max(0, self.column - 1)
                case "\t":
                    self.column = min(COLUMNS - 1, self.column + 4)
                case _ if char >= " ":
                    # Text past column 80 overwrites the last cell.
                    self.rows[self.row][self.column] = char
                    self.column = min(COLUMNS - 1, self.column + 1)

    def _next_row(self) -> None:
        if self.row < ROWS - 1:
            self.row += 1
        else:
            del self.rows[0]
            self.rows.append([ZERO] * COLUMNS)

    def clear(self) -> None:
        """Blank, cursor at the top."""
        self.__init__()  # type: ignore[misc]

    def paint(self) -> str:
        """The repaint of this screen."""
        return paint(self.rows, self.row, self.column)
