"""Commands and looks."""

from __future__ import annotations

import pytest

from serialfix.console.cmd import CommandResult
from serialfix.playbook.steps.command import CommandStep, LookStep
from serialfix.playbook.steps.wish import Ask
from tests.playbook.steps.asked import read


LOG = CommandStep(
    check='wevtutil gl Acme | find "enabled: true"',
    run="wevtutil sl Acme /e:true",
    undo="wevtutil sl Acme /e:false",
)


def test_the_exit_code_of_the_check_decides() -> None:
    assert read(LOG, answers={"wevtutil": ("", 0)})[0] == "right"
    assert read(LOG, answers={"wevtutil": ("", 1)})[0] == "not right"
    assert [LOG.distance(state) for state in ("right", "not right")] == [0, 1]
    assert LOG.line("not right") == LOG.run


def test_an_exit_code_that_may_be_of_another_line_is_asked_for_again() -> None:
    reading = LOG.read()
    first = next(reading)
    assert isinstance(first, Ask)
    again = reading.send(CommandResult(LOG.check, (), 0, complete=False))
    assert again == Ask(LOG.check, exit_code_only=True, within=LOG.seconds)


def test_a_look_of_which_the_screen_lost_a_part_says_so() -> None:
    reading = LookStep(command="qwinsta | sort").read()
    next(reading)
    with pytest.raises(StopIteration) as ended:
        reading.send(CommandResult("qwinsta | sort", (), 0, complete=False))
    assert "not shown" in ended.value.value[0]


def test_it_is_taken_back_and_taken_back_again() -> None:
    (back,) = LOG.restoring("not right")
    assert back.line("not right") == LOG.undo
    assert read(back, answers={"wevtutil": ("", 1)})[0] == "right"
    assert back.restoring("not right") == (LOG,)


def test_what_cannot_be_taken_back_says_why() -> None:
    with pytest.raises(ValueError, match="why it cannot be"):
        CommandStep(check="ver", run="ver")
    once = CommandStep(check="ver", run="ver", no_undo="It is done.", succeeds_with=(0, 3))
    assert once.restoring("not right") == ()
    assert once.accepts(3)
    assert not once.accepts(1)


@pytest.mark.parametrize("line", ["pause", "reg add HKLM\\SOFTWARE\\A /v B", "x" * 1001])
def test_a_line_that_could_not_be_typed_is_refused(line: str) -> None:
    with pytest.raises(Exception, match=r"wait for an answer|too long"):
        LookStep(command=line)


def test_a_look_shows_and_changes_nothing() -> None:
    look = LookStep(command="qwinsta")
    assert read(look, answers={"qwinsta": ("a  \nb", 0)})[0] == ("a", "b")
    assert read(look, answers={"qwinsta": ("\na\n\nb\n\n", 0)})[0] == ("a", "", "b")
    assert read(look, answers={"qwinsta": ("\n", 0)})[0] == ()
    assert not look.changes
    assert look.distance(("a",)) == 0
    assert look.restoring(("a",)) == ()
