"""Pages of a file on an 80-column screen: to the letter, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.errors import UnsafeStep
from serialfix.windows import paging


MARK = "]q7kzb"
LINES = st.lists(
    st.text(
        st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_characters="\x7f\xad")
        | st.sampled_from("漢字仮名 ]["),
        max_size=240,
    ).filter(lambda text: MARK not in text and not set(text) & {chr(c) for c in range(0x7F, 0xA0)}),
    min_size=1,
    max_size=4,
)


def wide(char: str) -> bool:
    return char in "漢字仮名"


def rows(text: str) -> list[str]:
    """As the window of a guest breaks one line, blanks at the end of each row."""
    out, row, column = [], "", 0
    for char in text:
        width = 1 + wide(char)
        if column + width > 80:
            out.append(row + " " * (80 - column))
            row, column = "", 0
        row, column = row + char, column + width
    return [*out, row + " " * (80 - column)]


def screen(lines: list[str], first: int, *, shift: bool = False) -> list[str]:
    shown = [f"{'.' if shift else ''}[{n}]{text}{MARK}" for n, text in enumerate(lines, first)]
    return [row for text in shown for row in rows(text)]


@given(LINES, st.integers(1, 2000))
def test_lines_come_back_to_the_letter(lines: list[str], first: int) -> None:
    found, clear = paging.lines(screen(lines, first), first, MARK)
    assert clear
    if paging.is_doubtful(found):
        again = screen(lines, first, shift=True)
        other, clear = paging.lines(again, first, MARK, shift=True)
        assert clear
        exact = [paging.settled(*views) for views in zip(found, other, strict=True)]
        assert [text for text in exact if text is not None] == [
            text for text, settled in zip(lines, exact, strict=True) if settled is not None
        ]
    else:
        assert found == lines


def test_a_blank_at_the_end_of_a_row_is_seen_from_the_second_side() -> None:
    """`[1]` and 76 characters leave one cell: a blank of the text, or none, before 漢."""
    for text in ("a" * 76 + "漢", "a" * 76 + " 漢"):
        one, _ = paging.lines(screen([text], 1), 1, MARK)
        other, _ = paging.lines(screen([text], 1, shift=True), 1, MARK, shift=True)
        assert paging.is_doubtful(one)
        assert paging.settled(one[0], other[0]) == text


def test_views_that_contradict_each_other_settle_nothing() -> None:
    assert paging.settled("a", "b") is None


@pytest.mark.parametrize(
    "shown",
    [
        ["[2]a]q7kzb"],  # another line
        ["[1]a]q7kzb", "[3]c]q7kzb"],  # a gap
        ["[1]a]q7kzb", "health report"],
        ["some text", "[1]a]q7kzb"],
        ["[1]a"],  # its end is not there
    ],
)
def test_a_page_that_is_not_clear(shown: list[str]) -> None:
    _, clear = paging.lines([f"{row:80}" for row in shown], 1, MARK)
    assert not clear


def test_an_empty_page_is_clear() -> None:
    assert paging.lines([" " * 80], 1, MARK) == ([], True)


@pytest.mark.parametrize("line", ["echo :)", "ver & ver", "ver | more", "(ver)", "ver >x"])
def test_more_than_one_command_is_refused(line: str) -> None:
    with pytest.raises(UnsafeStep, match="more than one command"):
        paging.capture(line, "f", "end")


def test_capture() -> None:
    line = 'cmd /c "ver & ver"'
    assert paging.capture(line, "f", "end") == f'{line} >"f" 2>&1 <nul & echo end>>"f"'
