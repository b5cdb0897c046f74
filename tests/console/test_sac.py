"""What SAC's channel shows, and what it is taken for."""

from __future__ import annotations

import pytest

from serialfix.console.machine import Console, Patience
from serialfix.console.sac import (
    OPEN,
    RECLAIM,
    REJOIN,
    RETRIES,
    Channel,
    SacMachine,
    Sight,
    State,
    channels,
    counts_anew,
)
from serialfix.errors import ChannelError, SacUnavailable


def seen(state: State, text: str, **more: object) -> Sight | None:
    """What a machine in that state sees when this text came since its last key."""
    machine = SacMachine(OPEN, Patience())
    machine.state = state
    for name, value in more.items():
        setattr(machine, name, value)
    console = Console()
    console.feed(b"SAC>")
    console.look_afresh()
    console.feed(text.encode())
    return machine.look(console)


CREATED = '\r\nEVENT:   A new channel has been created.  Use "ch -?" for channel help.\r\n'


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("\r\nSAC>", True),
        ("\r\nSAC>SAC>", True),  # the captured double (sac.md §2.2)
        ("\r\nEVENT: The CMD command is now available.\r\nSAC>", True),
        ("", False),  # nothing came: that prompt is old
        ("\r\n!SAC>", False),
        ("\r\nSAC>restart", False),
        ("\r\nC:\\SAC>", False),
        ("\r\nSAC> ", False),
    ],
)
def test_a_fresh_prompt_is_told_from_old_and_other_ones(text: str, prompt: bool) -> None:
    sight = seen(State.KNOCK, text)
    assert (sight is Sight.SAC_PROMPT) is prompt


def test_crash_and_restart_are_seen_at_the_prompt() -> None:
    for state in (State.LIST, State.LAUNCH, State.SWITCH):
        assert seen(state, "\r\n!SAC>") is Sight.STOP_ERROR
        assert seen(state, "\r\n<machine-info>\r\n</machine-info>\r\n") is Sight.RESTART


@pytest.mark.parametrize(
    ("text", "menu"),
    [
        ("\x1b[2J\x1b[1;1H                    Windows Boot Manager\r\n\r\n", True),
        ("Choose an operating system to start, or press TAB to select a tool:\r\n", True),
        ("C>bcdedit\r\n\r\nWindows Boot Manager\r\n--------------------\r\n", False),
        ('BdsDxe: loading Boot0001 "Windows Boot Manager" from HD(1,GPT)', False),
        ('BdsDxe: starting Boot0001 "Windows Boot Manager', False),
    ],
)
def test_the_firmware_is_not_taken_for_the_boot_menu(text: str, menu: bool) -> None:
    assert (seen(State.LOOK, text) is Sight.BOOT_MENU) is menu


LIST = (
    '\r\nChannel List\r\n\r\n(Use "ch -?" for information on using channels)\r\n\r\n'
    "# Status  Channel Name\r\n0 (AV)    SAC\r\n1 (AV)    Cmd0003\r\n2 (IV)    Cmd0006\r\nSAC>"
)


def test_the_list_names_the_channels_of_others() -> None:
    assert channels(LIST.split("\r\n")) == [
        Channel(0, True, "SAC"),
        Channel(1, True, "Cmd0003"),
        Channel(2, False, "Cmd0006"),
    ]
    machine = SacMachine(OPEN, Patience())
    machine.state = State.LIST
    console = Console()
    console.feed(b"SAC>ch")
    console.look_afresh()
    console.feed(LIST.encode())
    assert machine.look(console) is Sight.LISTED
    assert [channel.name for channel in machine.others] == ["Cmd0003", "Cmd0006"]


def test_a_list_that_is_not_whole_is_waited_for() -> None:
    assert seen(State.LIST, LIST.removesuffix("SAC>")) is None


def test_a_channel_whose_event_got_lost_is_found_in_the_list() -> None:
    others = [Channel(1, True, "Cmd0003")]
    assert seen(State.LIST, LIST, launched=True, others=others) is Sight.NEW_LISTED
    others.append(Channel(2, True, "Cmd0006"))
    assert seen(State.LIST, LIST, launched=True, others=others) is Sight.NONE_NEW


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        (f"{CREATED}Channel: Cmd0002\r\nSAC>", Sight.CREATED),
        (f"{CREATED}Channel: Cmd0002\r\nSAC>SAC>", Sight.CREATED),
        (f"{CREATED}Channel: Cmd0002\r\n", None),  # its prompt is still to come
        (f"{CREATED}", None),
        ("\r\nEVENT:   A channel has been closed.\r\nChannel: Cmd0002\r\nSAC>", None),
        ("\r\nThe Command Prompt session was successfully launched.\r\nSAC>", None),
        ("\r\nLaunching of Command Prompt channels is disabled.\r\nSAC>", Sight.CMD_DISABLED),
        ("\r\nThe maximum number of channels has been reached.\r\nSAC>", Sight.NO_SLOT),
        (
            "\r\nError: Unable to launch a Command Prompt.  The service responsible for launching"
            "\r\n       Command Prompt channels has not yet registered.  This may be",
            Sight.NOT_REGISTERED,
        ),
        ("\r\nTimeout: Unable to launch a Command Prompt.  The", Sight.SERVICE_TIMEOUT),
        ("\r\nError: The SAC Command Console session failed to be created.", Sight.LAUNCH_ERROR),
        ("\r\nEVENT: The CMD command is unavailable.\r\nSAC>", Sight.LAUNCH_ERROR),
    ],
)
def test_what_cmd_can_answer(text: str, sight: Sight | None) -> None:
    assert seen(State.LAUNCH, text) is sight


def test_a_known_channel_is_not_taken_for_the_new_one() -> None:
    """A late event of somebody else's channel."""
    others = [Channel(1, True, "Cmd0002")]
    text = f"{CREATED}Channel: Cmd0002\r\nSAC>"
    assert seen(State.LAUNCH, text, others=others) is None


def test_the_channel_that_appears_must_be_ours() -> None:
    def switch(name: str) -> str:
        return f"<channel-switch>\r\n<name>{name}</name>\r\n</channel-switch>\r\n"

    assert seen(State.SWITCH, switch("cmd0002"), own="Cmd0002") is Sight.OURS_IN_VIEW
    assert seen(State.SWITCH, switch("Cmd0001"), own="Cmd0002") is None
    assert seen(State.SWITCH, switch("SAC"), own="Cmd0002") is None


@pytest.mark.parametrize(
    ("shown", "sight"),
    [
        ("q7k>", Sight.OUR_PROMPT),
        ("q7k>reg add", Sight.OUR_PROMPT),
        ("q7k>" + "x" * 76, Sight.OUR_PROMPT),  # the cursor stands on the last cell, not behind
        ("q7k>reg add\r\n", None),  # it was entered, and runs
        ("C:\\Windows\\system32>", Sight.OTHER_PROMPT),
        ("z9z>", None),
        ("Username: ", Sight.USERNAME),
    ],
)
def test_what_our_channel_may_show_after_a_drop(shown: str, sight: Sight | None) -> None:
    machine = SacMachine(REJOIN, Patience(), own="Cmd0001", prompt="q7k>")
    machine.state = State.SHOW
    console = Console()
    console.feed(f"\x1b[2J\x1b[1;1H{shown}".encode())
    if len(shown) == 80:
        console.feed(b"\x1b[1;80H")
    assert machine.look(console) is sight


def test_a_login_in_a_channel_of_our_name_is_not_ours_unless_we_are_sure() -> None:
    """Names are given anew after a restart (sac.md §3)."""
    assert RECLAIM[State.SHOW].leads[Sight.USERNAME] is State.GONE
    assert REJOIN[State.SHOW].leads[Sight.USERNAME] is State.LOGIN


def test_detours_are_bounded() -> None:
    patience = Patience()
    machine = SacMachine(OPEN, patience, own="Cmd0001")
    machine.state = State.HOME
    spent = 0.0
    while machine.state is not State.NO_SAC:
        spent += machine.within
        machine.expire(Console())
    assert patience.sac <= spent <= patience.sac + 3 * patience.home
    machine = SacMachine(OPEN, patience, own="Cmd0001")
    for _ in range(RETRIES):
        machine.state = State.PENDING
        machine.expire(Console())
        assert machine.state is State.CLEAR
    machine.state = State.PENDING
    machine.expire(Console())
    assert machine.state is State.MISSING


def test_nobody_knocks_before_esc_tab_0_was_tried_twice() -> None:
    machine = SacMachine(OPEN, Patience())
    states = []
    machine.state = State.HOME
    for _ in range(3):
        machine.expire(Console())
        states.append(machine.state)
    assert states == [State.HOME, State.KNOCK, State.HOME]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (b"", "silent"),
        (b"VM Health Report", "health reports"),
        (b"login: ", "shows text"),
    ],
)
def test_why_there_is_no_sac(shown: bytes, why: str) -> None:
    console = Console()
    console.feed(shown)
    machine = SacMachine(OPEN, Patience(), start=State.NO_SAC)
    error = machine.failure(console)
    assert isinstance(error, SacUnavailable)
    assert why in str(error)
    assert "EnableEMS" in error.remedy


def test_failures_say_what_to_do() -> None:
    for state in State:
        row = OPEN.get(state)
        if row is None or row.error is None:
            continue
        error = SacMachine(OPEN, Patience(), start=state).failure(Console())
        assert error.exit_code == 6
        assert error.remedy
        assert isinstance(error, ChannelError | SacUnavailable) or state is State.RESTARTED


@pytest.mark.parametrize(
    ("former", "now", "anew"),
    [
        ("Cmd0001", "Cmd0002", False),
        ("Cmd0009", "Cmd0010", False),
        ("Cmd0001", "Cmd0001", True),
        ("Cmd0004", "Cmd0002", True),
        (None, "Cmd0001", True),
    ],
)
def test_counting_anew(former: str | None, now: str, anew: bool) -> None:
    assert counts_anew(former, now) is anew


def test_the_prompt_of_an_event_is_no_list() -> None:
    """The Enter of `ch` was lost: what is typed next would stand behind it, on SAC's own line."""
    assert seen(State.LIST, "\r\nEVENT: The CMD command is now available.\r\nSAC>") is None
    assert seen(State.LIST, LIST) is Sight.LISTED
