from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serialfix.byhand.painter import Painter
from serialfix.console.screen import COLUMNS, ROWS, Screen
from serialfix.console.wire import Wire


OURS = re.compile(r"\x1b\[(\d+;\d+H|[02]?[KJ]|[07]m|\?25[hl])")
ATTACKS = (
    *("\x1b]52;c;bHM=\x07", "\x1b]0;title\x1b\\", "\x1b[18t", "\x1b[c", "\x1b[6n", "\x07"),
    *("\x1b[?1049h", "\x1b[?1000h", "\x1b[?2004h", "\x1b[2;3r", "\x1b(0", "\x1bc", "\x9b31m"),
    *("\x9d52;c;bHM=\x9c", "\x1bP$q\x1b\\", "\x1b[7m", "\x1b[?25l", "\x1b[?5h", "\x0e", "\x1b#8"),
    *("\u202e", "\u200b", "\u2028", "\x85", "\xa0", "\ud800", "\ufeff", "\U000e0041", "\u0301" * 9),
)
GUEST = st.lists(
    st.sampled_from([*ATTACKS, "SAC>", "\r\n", "\x1b[2J", "\x1b[5;70H", "é", "東京", "x" * 90])
    | st.text(max_size=4),
    max_size=30,
)


def feed(screen: Screen, text: str) -> None:
    for piece in Wire().feed(text.encode("utf-8", "surrogatepass")):
        if isinstance(piece, str):
            screen.feed(piece)


class Person:
    """A terminal that obeys what it is sent."""

    def __init__(self, columns: int, rows: int) -> None:
        self.size = columns, rows
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.painter = Painter()
        self.sent = ""

    def see(self, screen: Screen, *, status: str = "", **own: object) -> str:
        text = self.painter.paint(screen, self.size, status=status, **own)  # type: ignore[arg-type]
        self.sent += text
        self.stream.feed(text)
        return text

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]


@settings(deadline=None, max_examples=150)
@given(GUEST)
def test_nothing_the_guest_sends_is_passed_on(pieces: list[str]) -> None:
    screen, person = Screen(), Person(COLUMNS, ROWS)
    for piece in pieces:
        feed(screen, piece)
        person.see(screen)
    left = OURS.sub("", person.sent)
    assert left.isprintable(), ascii(left)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["SAC>", "\r\n", "\x1b[2J", "\x1b[9;70H", "é", "東", "x" * 90])))
@example(["\x1b[9;70H", "東", "SAC>", "\x1b[9;70H", "é"])
@example(["\x1b[9;70H", "x", "東", "\x1b[9;70H", "東"])
def test_the_terminal_shows_the_picture(pieces: list[str]) -> None:
    screen, person = Screen(), Person(90, 30)
    for piece in pieces:
        feed(screen, piece)
        person.see(screen, status="status")
        assert person.rows[:ROWS] == screen.rows()
        assert person.rows[ROWS] == "status"
        y, x = screen.cursor
        assert (person.screen.cursor.y, person.screen.cursor.x) == (y, min(x, COLUMNS - 1))


def test_only_what_changed_is_sent() -> None:
    screen, person = Screen(), Person(80, 24)
    feed(screen, "SAC>")
    assert "\x1b[2J" in person.see(screen)
    assert person.see(screen) == ""
    feed(screen, "i")
    assert person.see(screen) == "\x1b[?25l\x1b[1;1H\x1b[2KSAC>i\x1b[1;6H\x1b[?25h"
    person.painter.forget()
    assert "\x1b[2J" in person.see(screen)


def test_only_our_words_are_in_reverse() -> None:
    screen, person = Screen(), Person(80, 25)
    feed(screen, "\x1b[7m myvm | Press y to leave\x1b[0m")
    person.see(screen, status=" myvm")
    assert [cell.reverse for cell in person.screen.buffer[0].values()].count(True) == 0
    assert all(person.screen.buffer[24][x].reverse for x in range(80))


def test_our_words_may_hold_the_guests() -> None:
    """The name of a channel is in the status."""
    screen, person = Screen(), Person(80, 25)
    for attack in ATTACKS:
        person.see(screen, status=attack, notice=attack, dialog=[attack])
        person.see(screen, status=attack)
    assert OURS.sub("", person.sent).isprintable()


def test_a_notice_never_hides_the_row_that_is_typed_in() -> None:
    screen, person = Screen(), Person(80, 24)
    feed(screen, "\r\n" * 23 + "SAC>")
    person.see(screen, notice=" a notice")
    assert person.rows[0] == " a notice"
    assert person.rows[23] == "SAC>"
    feed(screen, "\x1b[1;1HSAC>")
    person.see(screen, notice=" a notice")
    assert person.rows[23] == " a notice"
    person.see(screen)
    assert person.rows[23] == "SAC>"


def test_a_dialog_takes_the_cursor_and_is_folded() -> None:
    screen, person = Screen(), Person(40, 25)
    person.see(screen, dialog=[" " + "many words " * 6, " Name: "])
    assert person.rows[22].strip() == "many words many words many words many"
    assert person.rows[24] == " Name:"
    assert (person.screen.cursor.y, person.screen.cursor.x) == (24, 7)


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (60, 24), (80, 10), (1, 1), (79, 23)])
def test_a_small_terminal_shows_the_part_with_the_cursor(columns: int, rows: int) -> None:
    screen, person = Screen(), Person(columns, rows)
    for y in range(ROWS):
        feed(screen, f"\x1b[{y + 1};1H" + f"{y:02d}" * 40)
    for y, x in ((0, 0), (23, 79), (12, 40)):
        feed(screen, f"\x1b[{y + 1};{x + 1}H")
        person.see(screen, status=" myvm")
        if rows > 1:
            at = person.screen.cursor
            assert person.screen.buffer[at.y][at.x].data == screen.cells(y)[x]
            assert person.rows[rows - 1].startswith(f" {columns}x{rows} is too small"[:columns])
    assert OURS.sub("", person.sent).isprintable()
