from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st

from serialfix.lab.cells import Cells


PLAIN = "\x1b[22m\x1b[25m\x1b[27m\x1b[40m\x1b[37m"


def test_a_repaint_is_24_rows_of_80_and_the_cursor() -> None:
    cells = Cells()
    cells.write("\r\nab\r\nSAC>")
    rows = [" " * 80, "ab".ljust(80), "SAC>".ljust(80), *[" " * 80] * 21]
    assert cells.paint() == (
        "\x1b[2J\x1b[1;1H\x1b[0m"
        + PLAIN
        + rows[0]
        + "".join(f"\x1b[{number};1H{row}" for number, row in enumerate(rows[1:], 2))
        + "\x1b[3;5H"
        + PLAIN
    )


def test_rows_that_came_by_scrolling_are_zero_cells() -> None:
    cells = Cells()
    cells.write("\r\n" * 22 + "SAC>ch -sn Cmd0001\r\nx\r\nSAC>")
    # sac.md §6.1: text, two resets for the zero cells, colours again in the next row
    assert cells.paint().endswith(
        f"\x1b[22;1H{'SAC>ch -sn Cmd0001'.ljust(80)}\x1b[23;1H{'x'.ljust(80)}"
        f"\x1b[24;1HSAC>\x1b[0m\x1b[0m\x1b[24;5H{PLAIN}"
    )
    cells.write("\r\n\r\nend")
    assert cells.paint().endswith(
        f"\x1b[22;1HSAC>\x1b[0m\x1b[0m\x1b[23;1H\x1b[24;1H\x1b[40m\x1b[37mend"
        f"\x1b[0m\x1b[0m\x1b[24;4H{PLAIN}"
    )


def test_nothing_wraps() -> None:
    cells = Cells()
    cells.write("x" * 85 + "y")
    assert "".join(cells.rows[0]) == "x" * 79 + "y"
    assert "".join(cells.rows[1]).strip() == ""


def test_the_cursor_keys_of_the_cell_model() -> None:
    cells = Cells()
    cells.write("abc\b \b")
    assert ("".join(cells.rows[0]).strip(), cells.column) == ("ab", 2)
    cells.write("\t\n")
    assert (cells.row, cells.column) == (0, 0)
    cells.write("\tz\r")
    assert (cells.row, cells.column) == (1, 5)


@given(st.lists(st.text(alphabet="ab \r\n\b\t", max_size=40), max_size=40))
def test_a_terminal_shows_the_cells(texts: list[str]) -> None:
    cells = Cells()
    for text in texts:
        cells.write(text)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(cells.paint())
    assert list(screen.display) == ["".join(row).replace("\0", " ") for row in cells.rows]
    assert (screen.cursor.y, screen.cursor.x) == (cells.row, cells.column)
