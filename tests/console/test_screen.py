"""The questions that are asked of the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.console.screen import COLUMNS, Screen


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


def test_output_of_joins_wrapped_rows() -> None:
    """A row filled to column 80 goes on in the next one."""
    line = "reg query " + "k" * 100
    screen = drawn("q7k>" + line + "\r\n" + "v" * 100 + "\r\nend\r\nq7k>")
    assert screen.output_of("q7k>", line) == ["v" * 100, "end"]


def test_output_of_finds_the_last_of_two_equal_commands() -> None:
    """The same command run twice on one screen."""
    screen = drawn("q7k>ver\r\nfirst\r\nq7k>ver\r\nsecond\r\nq7k>")
    assert screen.output_of("q7k>", "ver") == ["second"]


def test_output_of_a_line_that_scrolled_away() -> None:
    """What is not on the screen any more is not made up."""
    screen = drawn("q7k>ver\r\n" + "x\r\n" * 30 + "q7k>")
    assert screen.output_of("q7k>", "ver") is None


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


def test_output_may_end_at_the_echo_of_a_later_line() -> None:
    """What stands before it is proven by it."""
    screen = drawn("q7k>ver\r\nfirst\r\nq7k>echo [1]\r\n[1]\r\nq7k>")
    assert screen.output_of("q7k>", "ver", until="echo [1]") == ["first"]


def test_what_stands_behind_the_cursor_can_be_forgotten() -> None:
    """A scraper may leave the login's text there."""
    screen = drawn("Password: ****\r\nAttempting to authenticate...\x1b[1;1HC:\\>")
    assert screen.typed("C:\\>") is None
    screen.blank_after_cursor()
    assert screen.typed("C:\\>") == ""


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u3164", "\u1160"])
def test_a_character_without_width_takes_a_cell_and_hides_nothing(char: str) -> None:
    screen = Screen()
    screen.feed(f"REG_SZ    0{char}1{char}{char}end")
    assert screen.rows()[0] == f"REG_SZ    0{char}1{char}{char}end"
    assert screen.cursor == (0, 18)
    screen.feed("\r\n" + "x" * 79 + char + "y")
    assert screen.rows()[1:3] == ["x" * 79 + char, "y"]
