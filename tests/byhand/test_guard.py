from __future__ import annotations

import pytest

from serialfix.byhand.guard import Guard
from serialfix.byhand.view import View
from tests.byhand.test_view import TO_CMD


def guard(shown: bytes = b"SAC>", *, on: bool = True) -> tuple[Guard, View]:
    view = View()
    view.feed(shown)
    return Guard(view, on=on), view


def type_(at: Guard, view: View | None, text: str) -> None:
    """Typed, and echoed where there is a view."""
    for char in text:
        assert at.decide(char).keys == char
        if view is not None:
            view.feed(char.encode())


@pytest.mark.parametrize(
    "line", ["restart", "shutdown /r /t 0", "CRASHDUMP", "  restart", "restart-computer"]
)
@pytest.mark.parametrize("echoed", [True, False])
def test_a_line_that_acts_at_once_is_asked_about(line: str, *, echoed: bool) -> None:
    at, view = guard()
    type_(at, view if echoed else None, line)
    decision = at.decide("\r")
    assert (decision.keys, decision.confirm) == ("", line.strip())
    assert at.decide("\n").confirm
    assert at.confirmed() == "\r"


@pytest.mark.parametrize("line", ["", "cmd", "ch -si 1", "id", "xrestart", "t", "re"])
def test_other_lines_are_not(line: str) -> None:
    at, view = guard()
    type_(at, view, line)
    assert at.decide("\r").keys == "\r"


def test_somebodys_half_line_counts() -> None:
    for echoed in (True, False):
        at, view = guard(b"SAC>rest")
        type_(at, view if echoed else None, "art")
        assert at.decide("\r").confirm == "restart"


def test_a_line_that_an_event_interrupted_counts() -> None:
    at, view = guard()
    type_(at, view, "rest")
    view.feed(b"\r\nEVENT: The CMD command is now available.\r\nSAC>")
    type_(at, view, "art")
    assert view.screen.before_cursor() == "SAC>art"
    assert at.decide("\r").confirm == "restart"


def test_what_was_pasted_behind_another_line_counts() -> None:
    at, view = guard()
    type_(at, view, "id")
    assert at.decide("\r").keys == "\r"
    type_(at, None, "restart")  # the screen still shows the line before
    assert at.decide("\r").confirm == "restart"


def test_what_was_erased_does_not_count() -> None:
    at, view = guard(b"SAC>rest")
    type_(at, view, "art")
    for _ in range(7):
        assert at.decide("\x7f").keys == "\x7f"
        view.feed(b"\b \b")
    type_(at, view, "id")
    assert at.decide("\r").keys == "\r"


def test_a_quiet_console_is_taken_for_sac() -> None:
    """Nothing is painted for a new client (sac.md §2.2): what shows is the echo alone."""
    at, view = guard(b"")
    type_(at, view, "restart")
    assert at.decide("\r").confirm == "restart"


@pytest.mark.parametrize("shown", [TO_CMD + b"\x1b[2JSAC>", b"C:\\Windows>", b"!SAC>"])
def test_elsewhere_every_key_passes(shown: bytes) -> None:
    at, view = guard(shown)
    type_(at, view, "shutdown /r")
    for key in ("\x03", "\x1b[A", "\r"):
        assert at.decide(key).keys == key


def test_ctrl_c_erases_the_line() -> None:
    at, _view = guard(b"SAC>ab")
    type_(at, None, "cd")  # its echo is still on its way
    decision = at.decide("\x03")
    assert decision.keys == "\b" * 4
    assert "erased" in decision.notice


def test_arrows_are_dropped_and_escape_is_not() -> None:
    at, _ = guard()
    assert at.decide("\x1b[A").keys == ""
    assert at.decide("\x1b[A").notice
    assert [at.decide(key).keys for key in "\x1b\t0"] == list("\x1b\t0")


def test_off_is_off() -> None:
    at, view = guard(on=False)
    type_(at, view, "restart")
    for key in ("\x03", "\x1b[A", "\r"):
        assert at.decide(key).keys == key
