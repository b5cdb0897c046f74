from __future__ import annotations

import pytest

from serialfix.lab.console import Console, width


def rows(console: Console) -> list[str]:
    return ["".join(row).rstrip() for row in console.rows]


@pytest.mark.parametrize(("delayed", "cursor"), [(True, (0, 80)), (False, (1, 0))])
def test_a_full_row(delayed: bool, cursor: tuple[int, int]) -> None:
    console = Console(delayed_wrap=delayed)
    console.write("x" * 80)
    assert (console.row, console.column) == cursor
    console.write("y")
    assert rows(console)[:2] == ["x" * 80, "y"]
    assert console.wrapped[0]


@pytest.mark.parametrize("delayed", [True, False])
def test_characters_are_taken_back_over_the_border(delayed: bool) -> None:
    console = Console(delayed_wrap=delayed)
    console.write("x" * 82)
    for _ in range(3):
        console.erase()
    assert (rows(console)[:2], console.column) == (["x" * 79, ""], 79)


def test_the_top_row_is_lost_for_ever() -> None:
    console = Console(delayed_wrap=True)
    console.write("\r\n".join(str(number) for number in range(30)))
    assert rows(console) == [str(number) for number in range(6, 30)]
    assert console.scrolled == 6


def test_wide_characters_take_two_cells_and_do_not_straddle_rows() -> None:
    assert (width("a"), width("操")) == (1, 2)
    console = Console(delayed_wrap=True)
    console.write("x" * 79 + "操b")
    assert rows(console)[:2] == ["x" * 79, "操b"]
    assert console.column == 3
    console.erase()
    console.erase()
    assert (rows(console)[1], console.column) == ("", 0)


def test_control_characters() -> None:
    console = Console(delayed_wrap=False)
    console.write("ab\tc\rX\a\x1b\b")
    assert (rows(console)[0], console.column) == ("Xb      c", 0)
    console.clear()
    assert rows(console) == [""] * 24
