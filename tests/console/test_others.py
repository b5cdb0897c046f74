"""Whose channel was in view: told from SAC's answer to ESC TAB 0 and its list of channels."""

from __future__ import annotations

from itertools import product

import pytest

from serialfix.console.machine import Console, Patience
from serialfix.console.others import Arrival, ConsiderateMachine, in_view
from serialfix.console.sac import OPEN, Channel, Sight, State
from serialfix.console.wire import ChannelSwitch
from serialfix.errors import ConsoleInUse


def switches(*names: str) -> list[ChannelSwitch]:
    return [ChannelSwitch(name, "") for name in names]


def channel_list(*active: bool) -> list[Channel]:
    """SAC, and a CMD channel for each."""
    cmds = [Channel(at, is_, f"Cmd{at:04}") for at, is_ in enumerate(active, start=1)]
    return [Channel(0, True, "SAC"), *cmds]


def brought(listed: list[Channel], current: int) -> list[ChannelSwitch]:
    """What ESC TAB 0 brings, as the facts have it: the next active channel, and SAC (sac.md §4)."""
    order = [listed[(current + step) % len(listed)] for step in range(1, len(listed) + 1)]
    return switches(next(channel.name for channel in order if channel.active), "SAC")


@pytest.mark.parametrize("active", list(product([True, False], repeat=3)))
def test_every_active_channel_is_known_again(active: tuple[bool, ...]) -> None:
    listed = channel_list(*active)
    for at, channel in enumerate(listed):
        if channel.active:
            assert in_view(brought(listed, at), listed, presses=1) == channel.name


def test_two_answers_to_two_tries_are_as_clear_as_one() -> None:
    listed = channel_list(True, True)
    late = [*brought(listed, 2), *brought(listed, 0)]
    assert in_view(late, listed, presses=2) == "Cmd0002"


@pytest.mark.parametrize(
    ("names", "presses"),
    [
        ((), 1),
        (("SAC",), 1),  # a lost 0
        (("Cmd0001", "SAC"), 2),  # a try without an answer: was it lost, or late?
        (("Cmd0001", "Cmd0002", "SAC"), 2),
        (("SAC", "Cmd0001", "SAC"), 1),  # an old banner of the backlog before it
        (("SAC", "Cmd0001"), 1),
        (("Cmd0009", "SAC"), 1),  # a channel that has ended meanwhile
    ],
)
def test_anything_else_is_not_clear(names: tuple[str, ...], presses: int) -> None:
    assert in_view(switches(*names), channel_list(True, True), presses=presses) is None


def machine_at_list(
    *came_upon: str, own: str | None = None, moved: bool = False
) -> tuple[ConsiderateMachine, Console]:
    """It has pressed ESC TAB 0, SAC has answered with these channels, and its list stands there."""
    machine = ConsiderateMachine(OPEN, Patience(), Arrival(moved=moved), own=own)
    console = Console()
    console.feed(b"C:\\>del")
    machine.expire(console)  # ARRIVE
    machine.expire(console)  # LOOK
    assert machine.state is State.HOME
    for name in came_upon:
        console.feed(f"<channel-switch><name>{name}</name></channel-switch>\x1b[2J".encode())
    machine.state = State.ASK
    console.feed(b"SAC>ch")
    console.look_afresh()
    rows = ("# Status  Channel Name", "0 (AV)    SAC", "1 (AV)    Cmd0001", "2 (AV)    Cmd0002")
    console.feed("".join(f"\r\n{row}" for row in rows).encode())
    return machine, console


def test_the_list_must_be_whole() -> None:
    machine, console = machine_at_list("SAC", "SAC")
    assert machine.look(console) is None
    console.feed(b"\r\nSAC>")
    assert machine.look(console) is Sight.SOMEBODY
    assert machine.arrival == Arrival(moved=False, theirs="Cmd0002")


@pytest.mark.parametrize(
    ("came_upon", "own", "sight", "somebodys"),
    [
        (("Cmd0001", "SAC"), None, Sight.NOBODY, []),
        (("Cmd0002", "SAC"), None, Sight.SOMEBODY, ["Cmd0001"]),
        (("Cmd0002", "SAC"), "CMD0001", Sight.NOBODY, []),
        (("Cmd0002", "SAC"), "Cmd0002", Sight.SOMEBODY, ["Cmd0001"]),
        (("SAC",), None, Sight.SOMEBODY, ["Cmd0001", "Cmd0002"]),
        (("SAC",), "Cmd0001", Sight.SOMEBODY, ["Cmd0002"]),
    ],
)
def test_in_doubt_every_channel_but_ours_counts(
    came_upon: tuple[str, ...], own: str | None, sight: Sight, somebodys: list[str]
) -> None:
    machine, console = machine_at_list(*came_upon, own=own)
    console.feed(b"\r\nSAC>")
    assert (machine.look(console), machine.somebodys) == (sight, somebodys)


def test_it_is_decided_once_and_a_moved_console_is_doubtful() -> None:
    machine, console = machine_at_list("Cmd0001", "SAC")
    console.feed(b"\r\nSAC>")
    assert machine.look(console) is Sight.NOBODY
    console.switches.clear()
    assert machine.look(console) is Sight.NOBODY
    machine, console = machine_at_list("Cmd0001", "SAC", moved=True)
    console.feed(b"\r\nSAC>")
    assert machine.look(console) is Sight.SOMEBODY
    machine.advance(Sight.SOMEBODY)
    error = machine.failure(console)
    assert isinstance(error, ConsoleInUse)
    assert "could not be told" in str(error)
    assert "del" in error.screen
