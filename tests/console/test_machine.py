"""The interpreter of state tables, and what all tables have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serialfix.console import cmd, others, sac
from serialfix.console.machine import Console, Machine, Patience, Row, Step
from serialfix.errors import ConsoleError, ExpectTimeout, MachineMisuse


class S(Enum):
    """Three states."""

    ONE = auto()
    TWO = auto()
    BAD = auto()


class W(Enum):
    """Two sights."""

    HELLO = auto()
    OTHER = auto()


def shows(text: str) -> Callable[[Any, Console], bool]:
    return lambda _machine, console: text in console.screen.text()


def machine(**row: Any) -> Machine[S, W]:
    table = {
        S.ONE: Row(Step.WATCH, {W.HELLO: S.TWO}, within="home", expects="hello", **row),
        S.TWO: Row(Step.END),
        S.BAD: Row(Step.FAIL, error=lambda _machine, _console: ConsoleError("bad")),
    }
    sights = {W.HELLO: shows("hello"), W.OTHER: shows("")}
    return Machine[S, W](S.ONE, Patience(), table, sights)


def test_a_sight_leads_on() -> None:
    console, one = Console(), machine()
    assert one.look(console) is None
    console.feed(b"hello")
    assert one.look(console) is W.HELLO
    one.advance(W.HELLO)
    assert one.state is S.TWO


def test_an_input_that_is_not_listed_changes_nothing() -> None:
    one = machine()
    for misuse in (lambda: one.advance(W.OTHER), one.silence, lambda: one.failure(Console())):
        with pytest.raises(MachineMisuse):
            misuse()
        assert one.state is S.ONE


def test_a_deadline_is_an_error_that_says_what_was_expected() -> None:
    console, one = Console(), machine()
    console.feed(b"something else")
    with pytest.raises(ExpectTimeout) as caught:
        one.expire(console)
    facts = caught.value.facts()
    assert (facts["state"], facts["expected"]) == ("ONE", "hello")
    assert facts["screen"] == "something else"
    assert facts["remedy"]


def test_a_deadline_or_silence_may_lead_on() -> None:
    one = machine(late=S.BAD, quiet=S.TWO)
    one.expire(Console())
    assert one.state is S.BAD
    assert str(one.failure(Console())) == "bad"
    one = machine(late=lambda _machine: S.TWO)
    one.expire(Console())
    assert one.state is S.TWO
    one = machine(quiet=S.TWO)
    one.silence()
    assert one.state is S.TWO


def test_what_is_new_begins_at_the_last_key() -> None:
    console = Console()
    console.feed(b"old\r\n")
    console.look_afresh()
    console.feed(b"\r\nnew")
    assert console.fresh == ["new"]
    console.feed(b"\x1b[2J")
    assert console.fresh == []


def test_a_new_attachment_forgets_half_a_character() -> None:
    console = Console()
    console.feed(b"a\xc3")
    console.reattached()
    console.feed(b"b")
    assert console.screen.text() == "ab"


def test_signals_are_kept_until_the_next_key() -> None:
    console = Console()
    console.feed(b"<channel-switch>\r\n<name>Cmd0003</name>\r\n</channel-switch>\r\n")
    console.feed(b"<machine-info>\r\n</machine-info>\r\n")
    assert console.switch is not None
    assert console.switch.name == "Cmd0003"
    assert console.started
    console.look_afresh()
    assert console.switch is None
    assert not console.started


# --- all tables -------------------------------------------------------------------------------

TABLES: dict[str, tuple[Any, Any, Mapping[Any, Any]]] = {
    "open": (sac.OPEN, sac.State.ARRIVE, sac.SIGHTS),
    "rejoin": (sac.REJOIN, sac.State.ARRIVE, sac.SIGHTS),
    "reclaim": (sac.RECLAIM, sac.State.ARRIVE, sac.SIGHTS),
    "close": (sac.CLOSE, sac.State.ARRIVE, sac.SIGHTS),
    **{
        f"considerate {name}": (others.considerate(table), sac.State.ARRIVE, others._SIGHTS)
        for name, table in (
            ("open", sac.OPEN),
            ("rejoin", sac.REJOIN),
            ("reclaim", sac.RECLAIM),
        )
    },
    "give back": (others.GIVE_BACK, sac.State.HOME, sac.SIGHTS),
    "login": (cmd._LOGIN, cmd.State.USERNAME, cmd._SIGHTS),
    "command": (cmd._COMMAND, cmd.State.RUN, cmd._SIGHTS),
    "leave": (cmd._LEAVE, cmd.State.EXIT, cmd._SIGHTS),
}
tables = pytest.mark.parametrize("name", TABLES)


def at_sac(sights: Mapping[Any, Any]) -> bool:
    return sac.Sight.SAC_PROMPT in sights


def rows(name: str) -> list[tuple[Any, Row[Any, Any]]]:
    return list(TABLES[name][0].items())


@tables
def test_every_way_ends_in_a_row_of_the_table(name: str) -> None:
    table, _, sights = TABLES[name]
    for state, row in rows(name):
        goals = {*row.leads.values(), row.quiet, None if callable(row.late) else row.late} - {None}
        assert goals <= set(table), state
        assert set(row.leads) <= set(sights), state


@tables
def test_every_wait_has_a_deadline_and_says_what_for(name: str) -> None:
    known = {field.name for field in fields(Patience)}
    for state, row in rows(name):
        if row.step in (Step.END, Step.FAIL):
            assert not row.leads
            assert (row.error is not None) == (row.step is Step.FAIL), state
            continue
        assert row.within in known or row.late is not None, state
        assert row.expects or not row.within, state
        assert row.leads or row.late is not None, state


@tables
def test_keys_are_pressed_only_where_a_row_says_so(name: str) -> None:
    for state, row in rows(name):
        typed = row.step in (Step.PRESS, Step.ENTER, Step.ENTER_MASKED)
        assert bool(row.keys) == typed, state


@pytest.mark.parametrize("name", [name for name, (_, _, of) in TABLES.items() if at_sac(of)])
def test_at_sac_only_ch_and_cmd_are_typed(name: str) -> None:
    """It matches by prefix: `restart` and `shutdown` act at once (sac.md §2.2)."""
    machine = sac.SacMachine(TABLES[name][0], Patience(), own="Cmd0007")
    for state, row in rows(name):
        if row.step is Step.ENTER:
            machine.state = state
            assert machine.keys in ("ch", "cmd", "ch -sn Cmd0007", "ch -cn Cmd0007")


@tables
@given(data=st.data())
def test_whatever_is_on_the_screen_only_listed_sights_are_seen(name: str, data: Any) -> None:
    table, start, sights = TABLES[name]
    words = ["SAC>", "!SAC>", "EVENT:   ", "Channel: Cmd0001", "Username: ", "Password: ", "[q 0]"]
    text = data.draw(st.lists(st.sampled_from([*words, "q>", "\r\n", "\x1b[2J", "C:\\W>"])))
    console = Console()
    console.feed("".join(text).encode())
    machine: Any = Machine(start, Patience(), table, sights)
    machine.own, machine.prompt, machine.launched, machine.others = None, "q>", False, []
    machine.channel, machine.frame, machine.line = "Cmd0001", "q", "ver"
    for state, row in rows(name):
        machine.state = state
        sight = machine.look(console)
        assert sight is None or sight in row.leads
