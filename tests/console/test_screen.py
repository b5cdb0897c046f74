"""The questions that are asked of the picture."""

from __future__ import annotations

from itertools import pairwise

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.console.screen import COLUMNS, ROWS, Screen, hides_a_blank, joined


def drawn(text: str) -> Screen:
    """A screen with this on it."""
    screen = Screen()
    screen.feed(text)
    return screen


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=600))
def test_typed_gives_back_what_follows_the_prompt(line: str) -> None:
    """Over any number of wrapped rows, blanks at the end included."""
    screen = drawn("old text\r\nq7k>" + line)
    assert screen.typed("q7k>") == line


def test_typed_sees_text_behind_the_cursor() -> None:
    """What stands behind the cursor belongs to the line that Enter would take."""
    assert drawn("q7k>dir /s\x1b[3D").typed("q7k>") is None


def test_typed_without_the_prompt() -> None:
    """Another shell's line is not ours."""
    assert drawn("C:\\>dir").typed("q7k>") is None


def test_at_prompt_wants_the_prompt_alone_under_the_cursor() -> None:
    """A prompt with a line behind it, or above the cursor, is none."""
    assert drawn("q7k>").at_prompt("q7k>")
    assert not drawn("q7k>x").at_prompt("q7k>")
    assert not drawn("q7k>\r\n").at_prompt("q7k>")
    assert not drawn("!SAC>").at_prompt("SAC>")


def test_since_counts_lines_over_scrolling() -> None:
    """The rows below a mark stay the same rows when the screen scrolls."""
    screen = drawn("\r\n" * 23 + "SAC>ch")
    mark = screen.mark()
    screen.feed("\r\none\r\ntwo\r\nSAC>")
    assert screen.since(mark) == ["one", "two", "SAC>"]


def test_since_is_lost_with_a_cleared_screen() -> None:
    """After ESC[2J a repaint brings old text: nothing in it counts as new."""
    screen = drawn("SAC>cmd")
    mark = screen.mark()
    screen.feed("\x1b[2J\x1b[1;1HEVENT: The CMD command is now available.\r\nSAC>")
    assert screen.since(mark) is None


def test_output_stands_between_two_typed_lines() -> None:
    """The echo of the later line proves all that stands before it; blanks are kept."""
    line = "reg query " + "k" * 100
    screen = drawn("q7k>" + line + "\r\n" + "v" * 100 + "\r\nend\r\nq7k>echo [1]\r\n[1]\r\nq7k>")
    rows = screen.output_of("q7k>", line, "echo [1]")
    assert rows == ["v" * 80, f"{'v' * 20:80}", f"{'end':80}"]
    assert joined(rows) == ["v" * 100, "end"]


def test_output_of_finds_the_last_of_two_equal_commands() -> None:
    """The same command run twice on one screen."""
    screen = drawn("q7k>ver\r\nfirst\r\nq7k>f\r\nq7k>ver\r\nsecond\r\nq7k>f\r\nq7k>")
    assert screen.output_of("q7k>", "ver", "f") == [f"{'second':80}"]


def test_output_of_a_line_that_scrolled_away() -> None:
    """What is not on the screen any more is not made up."""
    screen = drawn("q7k>ver\r\n" + "x\r\n" * 30 + "q7k>f\r\nq7k>")
    assert screen.output_of("q7k>", "ver", "f") is None


@given(st.text(st.sampled_from("ab 漢字é"), min_size=1, max_size=200))
def test_a_typed_line_reads_as_typed_wherever_it_breaks(line: str) -> None:
    """A character of two cells that does not fit at the end of a row leaves one blank; where a
    blank of the line could hide there, the line is typed one column further to the right."""
    if hides_a_blank("q7k>" + line):
        return
    screen = drawn("q7k>" + wrapped("q7k>" + line).removeprefix("q7k>"))
    assert screen.typed("q7k>") == line
    screen.feed("\r\nq7k>f\r\nq7k>")
    assert screen.output_of("q7k>", line, "f") == []


def wrapped(text: str) -> str:
    """As the window of a guest breaks it, told by positions."""
    out, row, column = "", 1, 0
    for char in text:
        width = 2 if char in "漢字" else 1
        if column + width > COLUMNS:
            row, column = row + 1, 0
            out += f"\x1b[{row};1H"
        out += char
        column += width
    return out


def test_a_blank_that_hides_before_a_wide_character() -> None:
    """No picture tells `a 漢` from `a漢` where the blank is the last cell of a row."""
    assert hides_a_blank("x" * 79 + " 漢")
    assert not hides_a_blank("x" * 78 + " 漢")
    assert not hides_a_blank("x" * 79 + " a")
    assert not hides_a_blank("x" * 79 + "漢")


def test_the_size_cannot_be_changed_from_the_wire() -> None:
    """ESC[?3h asks a terminal for 132 columns."""
    screen = drawn("\x1b[?3h" + "x" * 100)
    assert screen.cursor == (1, 100 - COLUMNS)


def test_a_line_that_ends_at_column_80() -> None:
    """The cursor hangs behind the last column."""
    screen = drawn("q7k>" + "x" * 76)
    assert screen.typed("q7k>") == "x" * 76


def test_a_line_that_fills_the_row_is_seen_whole_after_a_repaint() -> None:
    """A repaint puts the cursor on the last cell, for it cannot stand behind it (sac.md §6.1)."""
    screen = Screen()
    screen.feed("q7k>" + "x" * 76 + "\x1b[1;80H")
    assert screen.typed("q7k>") == "x" * 76
    screen.feed("\x1b[1;79H")
    assert screen.typed("q7k>") is None  # something stands behind the cursor


def test_a_line_that_was_entered_is_not_being_typed() -> None:
    screen = Screen()
    screen.feed("q7k>" + "x" * 90)
    assert screen.in_line("q7k>")
    screen.feed("\r\n")
    assert not screen.in_line("q7k>")


def test_what_stands_behind_the_cursor_can_be_forgotten() -> None:
    """A scraper may leave the login's text there."""
    screen = drawn("Password: ****\r\nAttempting to authenticate...\x1b[1;1HC:\\>")
    assert screen.typed("C:\\>") is None
    screen.blank_after_cursor()
    assert screen.typed("C:\\>") == ""


def test_a_repaint_is_whole_once_its_last_row_was_addressed() -> None:
    """On a slow link the rest of it takes seconds (sac.md §6.1)."""
    screen = drawn("\x1b[2J\x1b[1;1H" + f"{'SAC>ch':80}")
    for row in range(2, 24):
        screen.feed(f"\x1b[{row};1HSAC>")
        assert not screen.painted
    screen.feed("\x1b[24;1H\x1b[3;5H")
    assert screen.painted
    screen.feed("\x1b[2J")
    assert not screen.painted


@pytest.mark.parametrize(
    "char", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u3164", "\u1160", "\u0301", "\u20dd"]
)
def test_a_character_without_width_takes_a_cell_and_hides_nothing(char: str) -> None:
    screen = Screen()
    screen.feed(f"REG_SZ    0{char}1{char}{char}end")
    assert screen.rows()[0] == f"REG_SZ    0{char}1{char}{char}end"
    assert screen.cursor == (0, 18)
    screen.feed("\r\n" + "x" * 79 + char + "y")
    assert screen.rows()[1:3] == ["x" * 79 + char, "y"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("\x1b[1;1H東SAC>\x1b[1;1Hé", "é SAC>"),
        ("\x1b[1;1H東SAC>\x1b[1;2Hx", " xSAC>"),
        ("\x1b[1;1Ha東\x1b[1;1H東", "東"),
        ("\x1b[1;1H東京", "東京"),
    ],
)
def test_half_of_a_wide_character_is_a_blank(text: str, row: str) -> None:
    screen = Screen()
    screen.feed(text)
    assert screen.row(0) == row


_CODES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=90),
    st.sampled_from(["\r\n", "\n" * 5, "\r", "\b", "\t", "\x1bM", "\x1b7", "\x1b8", "\x1bc"]),
    st.builds("\x1b[{}{}".format, st.integers(0, 90), st.sampled_from("ABCDGLMPX@m")),
    st.builds(
        "\x1b[{};{}{}".format, st.integers(0, 30), st.integers(0, 99), st.sampled_from("Hfrm")
    ),
    st.sampled_from(
        [
            "\x1b[H",
            "\x1b[;5H",
            "\x1b[J",
            "\x1b[1J",
            "\x1b[2J",
            "\x1b[K",
            "\x1b[1K",
            "\x1b[2K",
            "\x1b[?25l",
            "\x1b[?25h",
        ]
    ),
    st.sampled_from(
        ["\x1b[?6h", "\x1b[?6l", "\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l", "\x1b[?1;25h"]
    ),
)


@given(st.lists(_CODES, max_size=40), st.data())
def test_the_picture_is_that_of_a_terminal(pieces: list[str], data: st.DataObject) -> None:
    """However it arrives, whoever looked in between, with all short cuts: as pyte draws it."""
    text = "".join(pieces)
    screen, terminal = Screen(), pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(terminal).feed(text)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    seen: list[str] = [""] * ROWS
    for start, end in pairwise([0, *cuts, len(text)]):
        line = screen.mark().line - screen.cursor[0]
        screen.feed(text[start:end])
        moved = screen.mark().line - screen.cursor[0] - line
        for y, row in enumerate(screen.rows()):
            before = seen[y + moved] if y + moved < ROWS else ""
            assert row == before or y in screen.changed
        screen.changed.clear()
        seen = screen.rows()
    assert screen.rows() == [row.rstrip(" ") for row in terminal.display]
    assert screen.cursor == (terminal.cursor.y, terminal.cursor.x)


@pytest.mark.parametrize(
    "code", ["[1;2C", "[1;2;3H", "[1;2;3;4m", "[1;2P", "[9J", "[3K", "[?6h\x1b[3d\x1b[?6l"]
)
def test_a_code_that_means_nothing_ends_nothing(code: str) -> None:
    assert drawn(f"\x1b[5;1H\x1b{code}\x1b[1;1Hab").row(0) == "ab"
