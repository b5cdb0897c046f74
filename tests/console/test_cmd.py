"""Login, one command, leaving: what the channel shows, and what it is taken for."""

from __future__ import annotations

import pytest

from serialfix.console import cmd
from serialfix.console.cmd import CommandMachine, LeaveMachine, LoginMachine, Sight, State
from serialfix.console.machine import Console, Patience
from serialfix.errors import ChannelError, GuestRebooted, LoginRejected


PROMPT = "q7k>"


def login(state: State) -> LoginMachine:
    machine = LoginMachine(
        Patience(),
        channel="Cmd0001",
        username="admin",
        domain="CONTOSO",
        password="pass",
        prompt=PROMPT,
    )
    machine.state = state
    return machine


def after(before: str, text: str) -> Console:
    console = Console()
    console.feed(before.encode())
    console.look_afresh()
    console.feed(text.encode())
    return console


def test_the_keys_of_a_login() -> None:
    typed = [login(state).keys for state in list(cmd._LOGIN)[:4]]
    assert typed == ["admin", "CONTOSO", "pass", "prompt q7k$G"]


@pytest.mark.parametrize("prompt", ["Domain  : ", "Domain: ", "domain :", "\0Domain  :\0 "])
def test_the_domain_prompt(prompt: str) -> None:
    """Two blanks on the wire, one in the docs; NULs anywhere (sac.md §5)."""
    console = after("Username: admin", "\r\n" + prompt)
    assert login(State.USERNAME).look(console) is Sight.DOMAIN


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        ("\r\n\r\nAttempting to authenticate...\r\n", None),
        ("\r\nAttempting to authenticate...\r\nUnable to authenticate.\r\n", Sight.REFUSED),
        ("\r\nunable to AUTHENTICATE\r\n", Sight.REFUSED),
        ("\x1b[2J\x1b[1;1H\r\nFalsch.\r\nUsername: ", None),  # wiped: nothing is called new
        ("\r\nWrong.\r\nUsername: ", Sight.REFUSED),
        ("\x1b[2J\x1b[1;1HMicrosoft\r\n\r\nC:\\Windows\\system32>", Sight.SHELL),
        ("\x1b[2J\x1b[1;1HMicrosoft\r\n\r\nc:\\windows\\System32>", Sight.SHELL),
        ("\x1b[2J\x1b[1;1Hold\r\nq7k>", Sight.OUR_LINE),
        ("\x1b[2J\x1b[1;1Hold\r\nq7k>reg ad", Sight.OUR_LINE),
        ("\x1b[2J\x1b[1;1H<channel-switch><name>SAC</name></channel-switch>", Sight.SAC_IN_VIEW),
    ],
)
def test_how_a_login_can_end(text: str, sight: Sight | None) -> None:
    assert login(State.PASSWORD).look(after("Password: ****", text)) is sight


CLOSED = "EVENT:   A channel has been closed.\r\nChannel: {}\r\nSAC>"


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        (CLOSED.format("Cmd0001"), Sight.OURS_CLOSED),
        (CLOSED.format("Cmd0002"), None),
        ("EVENT:   A new channel has been created.\r\nChannel: Cmd0001\r\nSAC>", None),
        (
            "The SAC will become unavailable soon.  The computer is shutting down.\r\nSAC>\r\n"
            + CLOSED.format("Cmd0001"),
            Sight.GOING_DOWN,
        ),
    ],
)
def test_sac_tells_why_a_login_ended(text: str, sight: Sight | None) -> None:
    assert login(State.AWAY).look(after("", "\x1b[2J\x1b[1;1H" + text)) is sight


def test_the_ends_of_a_login() -> None:
    kinds = {
        State.REJECTED: LoginRejected,
        State.GOING_DOWN: GuestRebooted,
        State.LOST: ChannelError,
    }
    for state, kind in kinds.items():
        error = login(state).failure(Console())
        assert isinstance(error, kind)
        assert error.remedy
        assert "pass" not in str(error)
    assert "CONTOSO\\admin" in str(login(State.REJECTED).failure(Console()))


def command(state: State = State.RUN) -> CommandMachine:
    machine = CommandMachine(Patience(), line="ver", prompt=PROMPT, frame="q7k.1")
    machine.state = state
    return machine


def test_the_echo_never_satisfies_the_frame() -> None:
    """Typed `[q7k.1 %eRrorlevel%]`, shown `[q7k.1 0]`."""
    machine = command(State.FRAME)
    typed = machine.keys
    for row in (typed, f"{PROMPT}{typed}", typed.removeprefix("echo ")):
        assert machine.look(after("", f"{row}\r\n{PROMPT}")) is None
    assert machine.look(after("", f"{PROMPT}{typed}\r\n[q7k.1 5]\r\n\r\n")) is None
    assert machine.look(after("", f"{PROMPT}{typed}\r\n[q7k.1 5]\r\n\r\n{PROMPT}")) is Sight.FRAMED
    assert machine.exit_code == 5


@pytest.mark.parametrize("code", [0, 1, 9009, -1073741510])
def test_exit_codes(code: int) -> None:
    machine = command(State.FRAME)
    assert machine.look(after("", f"[q7k.1 {code}]\r\n\r\n{PROMPT}")) is Sight.FRAMED
    assert machine.result().exit_code == code


def test_another_commands_frame_is_none() -> None:
    assert command(State.FRAME).look(after("", f"[q7k.2 0]\r\n\r\n{PROMPT}")) is None


def framed(machine: CommandMachine, console: Console) -> None:
    """From the prompt that comes back to the frame behind the exit code's line."""
    assert machine.look(console) is Sight.OUR_PROMPT
    machine.advance(Sight.OUR_PROMPT)
    console.feed(f"{machine.keys}\r\n[q7k.1 0]\r\n\r\n{PROMPT}".encode())
    assert machine.look(console) is Sight.FRAMED


def test_the_output_is_what_stands_between() -> None:
    machine = command()
    console = after(f"{PROMPT}ver", f"\r\n\r\nMicrosoft {'x' * 80}\r\n\r\n{PROMPT}")
    framed(machine, console)
    result = machine.result()
    assert result.output == ("", f"Microsoft {'x' * 80}", "")
    assert result.complete


def test_output_whose_beginning_is_lost_says_so() -> None:
    machine = command()
    console = after(f"{PROMPT}ver", "\r\nrow" * 40 + f"\r\n{PROMPT}")
    framed(machine, console)
    assert not machine.result().complete


def test_leaving_is_over_when_sac_says_that_our_channel_is_closed() -> None:
    machine = LeaveMachine(Patience(), channel="Cmd0001")
    machine.state = State.REVEAL
    assert machine.look(after("", "\x1b[2JSAC>")) is None
    assert machine.look(after("", "\x1b[2J" + CLOSED.format("Cmd0001"))) is Sight.OURS_CLOSED
    machine.expire(Console())
    assert machine.state is State.UNSURE
