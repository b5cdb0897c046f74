from __future__ import annotations

import asyncio
import re

import pytest

from serialfix.lab import sactexts
from serialfix.lab.faults import Delays, Faults
from serialfix.lab.profiles import SERVICES, dword
from tests.lab.terminal import Terminal, virtual


BANNER_END = (
    b"\r\nPress <esc><tab> for next channel.\r\nPress <esc><tab>0 to return to the SAC channel.\r\n"
    b"Use any other key to view this channel.\r\n\r\n"
)
CLEAR = b"\x1b[2J\x1b[1;1H\x1b[40;37m\x1b[0m"
CREATED = (
    b'\r\nEVENT:   A new channel has been created.  Use "ch -?" for channel help.\r\nChannel: '
)
NAME = re.compile(rb"<name>(\w+)</name>")


@virtual
async def test_a_boot_says_xml_then_paints_the_screen_then_the_event() -> None:
    at = Terminal("ws2019")
    await at.boot()
    said = bytes(at.raw)
    xml, _, rest = said[said.index(b"<?xml") :].partition(b"</machine-info>\r\n")
    assert xml.startswith(b'<?xml version="1.0"?>\r\n<machine-info>\r\n<name>WIN-LAB01</name>\r\n')
    assert b"<os-build-number>17763</os-build-number>\r\n" in xml
    assert rest.startswith(
        b"\x1b[2J\x1b[1;1H\x1b[0m\x1b[22m\x1b[25m\x1b[27m\x1b[40m\x1b[37m"
        + b" " * 80
        + b"\x1b[2;1H"
        + b"Computer is booting, SAC started and initialized.".ljust(80)
        + b"\x1b[3;1H"
    )
    assert rest.endswith(b"\r\nEVENT: The CMD command is now available.\r\nSAC>")
    assert at.rows == [
        "",
        "Computer is booting, SAC started and initialized.",
        "",
        'Use the "ch -?" command for information about using channels.',
        'Use the "?" command for general help.',
        "",
        "",
        "SAC>",
        "EVENT: The CMD command is now available.",
        "SAC>",
    ]


@virtual
async def test_a_new_client_sees_nothing_until_enter() -> None:
    at = Terminal()
    await at.boot()
    late: list[bytes] = []
    at.guest.listen(late.append)
    await asyncio.sleep(60)
    assert late == []
    at.guest.write(b"\r")
    await asyncio.sleep(1)
    assert b"".join(late) == b"\r\nSAC>"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (b"\r", b"\r\nSAC>"),
        (b"\n", b"\r\nSAC>"),
        (b"\r\n", b"\r\nSAC>\r\nSAC>"),  # the pair is not swallowed
        (b"\x03\r", b"SAC>\r\nSAC>"),  # ^C runs the empty line
        (b"xy\x08\x7f\x08", b"xy\b \b\b \b"),
        (b"\t", b"\x07"),
        (b"\x1b[A\x1b[3~", b"[A[3~"),  # ESC is swallowed, the rest is text
    ],
)
@virtual
async def test_the_line_editor(keys: bytes, said: bytes) -> None:
    at = Terminal()
    await at.boot()
    assert await at.type(keys) == said


@virtual
async def test_ctrl_c_runs_what_was_typed() -> None:
    at = Terminal()
    await at.boot()
    said = await at.type(b"LOCK\x03")
    assert said == b"LOCKLocked access to all Command Prompt channels.\r\nSAC>"


@virtual
async def test_long_lines_are_mangled() -> None:
    at = Terminal()
    await at.boot()
    await at.type("x" * 78)
    assert await at.type("yz") == b"\by\bz"
    await at.type("\r")
    assert at.guest.entered[-1].line == "x" * 77 + "z"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reg add HKLM", f"{sactexts.UNKNOWN}\r\n"),
        ("powershell", "Paging is now OFF.\r\n"),
        ("ch -xx", f"{sactexts.BAD_ARGUMENT}\r\n"),
        ("k", f"{sactexts.BAD_ARGUMENT}\r\n"),
        ("kill", f"{sactexts.UNKNOWN}\r\n"),
        ("ch -sn Cmd0009", "Error: Could not find a channel with that name.\r\n"),
        ("ch -si 3", "Error: There is no channel present at the specified index.\r\n"),
        ("ch -ci 0", "Error: The SAC channel cannot be closed.\r\n"),
        (
            "i",
            "SAC is retrieving IP Addresses...\r\n"
            "Net: 4, Ip=10.0.0.4  Subnet=255.255.255.0  Gateway=10.0.0.1\r\n",
        ),
        ("CH -?", sactexts.CHANNEL_HELP.replace("\n", "\r\n") + "\r\n"),
    ],
)
@virtual
async def test_commands(line: str, said: str) -> None:
    at = Terminal()
    await at.boot()
    assert await at.type(f"{line}\r") == f"{line}\r\n{said}SAC>".encode()


@virtual
async def test_identification() -> None:
    at = Terminal("ws2016")
    await at.boot()
    said = await at.type("id\r")
    assert b"\r\n           Computer Name: WIN-LAB01\r\n" in said
    assert b"\r\n            Build Number: 14393\r\n" in said
    assert re.search(rb"Date: 01/05/26  Time \(GMT\): 08:00:\d\d:0\d{3}\r\n", await at.type("s\r"))


@pytest.mark.parametrize("line", ["t", "type x.txt", "?", "help", "dir"])
@virtual
async def test_long_output_waits_for_enter(line: str) -> None:
    at = Terminal()
    await at.boot()
    said = b"" if line[0] in "?h" else await at.type(f"{line}\r")
    if line[0] in "?h":
        assert b"----" not in await at.type(f"{line}\r")  # the list fits on the screen
        return
    assert said.endswith(b"\r\n----Press <Enter> for more----")
    assert await at.type("x") == b""
    while said.endswith(b"----"):
        said = await at.type("\r")
    assert said.endswith(b"\r\nSAC>")


@pytest.mark.parametrize("line", ["restart", "RESTART now", "shutdown /r /t 0", "crashdump"])
@virtual
async def test_words_of_cmd_act_at_once_and_without_login(line: str) -> None:
    at = Terminal(delays=Delays(sac_restart_uptime=0))
    await at.boot()
    await at.type(f"{line}\r", wait=10)
    ended = {"s": (1, 0), "r": (2, 1), "R": (2, 1), "c": (2, 0)}
    assert (at.guest.boots, at.guest.restarts) == ended[line[0]]
    assert at.guest.running == (line[0] != "s")


@virtual
async def test_a_restart_can_fail() -> None:
    at = Terminal(delays=Delays(sac_restart_uptime=0), faults=Faults(sac_restart_fails=True))
    await at.boot()
    said = await at.type("restart\r", wait=30)
    assert b"SAC failed to restart the system.\r\nFailed with status 0xC0000022.\r\nSAC>" in said
    assert (at.guest.boots, at.guest.restarts) == (1, 0)


@virtual
async def test_a_young_system_waits_before_it_restarts() -> None:
    at = Terminal()
    await at.boot()
    assert b"SAC preparing to restart the system.\r\n" in await at.type("restart\r", wait=30)
    assert at.guest.boots == 1
    await asyncio.sleep(60)
    assert (at.guest.boots, at.guest.restarts) == (2, 1)


@virtual
async def test_cmd_gives_two_prompts_and_an_event() -> None:
    at = Terminal()
    await at.boot()
    assert await at.type("cmd\r", wait=0.02) == (
        b"cmd\r\nThe Command Prompt session was successfully launched.\r\nSAC>"
    )
    assert await at.type(b"") == CREATED + b"Cmd0001\r\nSAC>"


@virtual
async def test_names_count_on_and_slots_are_used_again() -> None:
    at = Terminal()
    await at.boot()
    for number in range(1, 10):
        assert f"Channel: Cmd{number:04d}".encode() in await at.type("cmd\r")
    assert b"The maximum number of channels has been reached.\r\nSAC>" in await at.type("cmd\r")
    said = await at.type("ch -cn cmd0003\r")
    assert b"\r\nEVENT:   A channel has been closed.\r\nChannel: Cmd0003\r\nSAC>" in said
    await at.type("ch -ci 1\r")
    assert CREATED + b"Cmd0010" in await at.type("cmd\r")
    assert (await at.type("ch\r")).startswith(
        b'ch\r\nChannel List\r\n\r\n(Use "ch -?" for information on using channels)\r\n\r\n'
        b"# Status  Channel Name\r\n0 (AV)    SAC\r\n1 (AV)    Cmd0010\r\n2 (AV)    Cmd0002\r\n"
        b"4 (AV)    Cmd0004\r\n"
    )
    at.guest.reset()
    await asyncio.sleep(3)
    assert await at.banner() == "Cmd0001"


@pytest.mark.parametrize("refusal", ["not_registered", "timeout", "failed", "disabled", "maximum"])
@virtual
async def test_refusals(refusal: str) -> None:
    at = Terminal(faults=Faults(channel_refused=refusal))  # type: ignore[arg-type]
    await at.boot()
    text = sactexts.REFUSED[refusal]  # type: ignore[index]
    assert await at.type("cmd\r") == f"cmd\r\n{text}\r\nSAC>".encode()


@virtual
async def test_cmd_before_sacsvr_is_there() -> None:
    at = Terminal(faults=Faults(late_cmd=30))
    await at.boot()
    assert b"has not yet registered." in await at.type("cmd\r")
    await asyncio.sleep(30)
    assert at.raw.endswith(b"\r\nEVENT: The CMD command is now available.\r\nSAC>")
    assert await at.banner() == "Cmd0001"


@virtual
async def test_hardened_systems_have_no_cmd() -> None:
    at = Terminal()
    at.guest.registry.set(f"{SERVICES}\\sacsvr", "Start", dword(4))
    await at.boot()
    assert b"EVENT" not in at.raw
    assert b"has not yet registered." in await at.type("cmd\r")
    at.guest.registry.set(f"{SERVICES}\\sacdrv", "DisableCmdSessions", dword(1))
    assert b"Launching of Command Prompt channels is disabled." in await at.type("cmd\r")


@virtual
async def test_the_bytes_of_a_switch() -> None:
    at = Terminal()
    await at.boot()
    await at.type("cmd\r")
    said = await at.type("ch -sn CMD0001\r")
    guid = re.findall(rb"<guid>([0-9a-f-]{36})</guid>", said)[0]
    application = b"63d02271-8aa4-11d5-bccf-00b0d014a2d0"
    assert guid[14:15] == b"1"  # a v1 UUID
    assert said == (
        b"ch -sn CMD0001\r\n" + CLEAR + b'<?xml version="1.0"?>\r\n<channel-switch>\r\n'
        b"<name>Cmd0001</name>\r\n<description>Command Prompt</description>\r\n"
        b"<type>VT-UTF8</type>\r\n<guid>" + guid + b"</guid>\r\n"
        b"<application-type>" + application + b"</application-type>\r\n</channel-switch>\r\n"
        + CLEAR + b"Name:                  Cmd0001\r\nDescription:           Command\r\n"
        b"Type:                  VT-UTF8\r\nChannel GUID:          " + guid + b"\r\n"
        b"Application Type GUID: " + application + b"\r\n" + BANNER_END
    )  # fmt: skip


@virtual
async def test_a_banner_swallows_exactly_one_byte() -> None:
    at = Terminal()
    await at.boot()
    await at.banner()
    said = await at.type(b"\r\n")  # the LF is an empty user name
    assert said.endswith(b"Username: \0\r\nDomain  : \0")
    assert at.guest.entered[-1].where == "login"


@virtual
async def test_escape_tab_steps_through_the_channels() -> None:
    at = Terminal()
    await at.boot()
    assert NAME.findall(await at.type(b"\x1b\t")) == [b"SAC"]  # there is no other
    await at.type(" ")
    await at.type("cmd\r")
    await at.type("cmd\r")
    names = [NAME.findall(await at.type(b"\x1b\t"))[0] for _ in range(4)]
    assert names == [b"Cmd0001", b"Cmd0002", b"SAC", b"Cmd0001"]
    assert NAME.findall(await at.type(b"0")) == [b"SAC"]  # its banner, not yet its prompt
    said = await at.type(b"0")  # not behind ESC TAB: any other key
    assert said.startswith(b"\x1b[2J\x1b[1;1H\x1b[0m")
    assert at.rows[-1] == "SAC>"


@virtual
async def test_a_zero_counts_only_behind_escape_tab() -> None:
    at = Terminal()
    await at.boot()
    await at.banner()
    assert (await at.type("0")).endswith(b"Username: \0")


@virtual
async def test_a_repaint_brings_old_text_and_missed_events_back() -> None:
    at = Terminal()
    await at.boot()
    await at.banner()
    await at.type(" ")
    said = await at.type(b"\x1b\t0 ")
    assert at.rows[-7:] == [
        "SAC>cmd",
        "The Command Prompt session was successfully launched.",
        "SAC>",
        'EVENT:   A new channel has been created.  Use "ch -?" for channel help.',
        "Channel: Cmd0001",
        "SAC>ch -sn Cmd0001",
        "SAC>",
    ]
    assert b"Computer is booting, SAC started and initialized." in said


@virtual
async def test_an_event_interrupts_a_half_typed_line() -> None:
    at = Terminal(faults=Faults(event_while_typing=True))
    await at.boot()
    said = await at.type("ch\r")
    assert said.startswith(
        b"ch\r\nEVENT: The CMD command is now available.\r\nSAC>\r\nChannel List"
    )


@virtual
async def test_somebody_left_a_half_typed_line() -> None:
    at = Terminal(faults=Faults(half_line="shutd"))
    await at.boot()
    assert at.rows[7] == "SAC>shutd"
    await at.type("ch\r")
    assert at.guest.entered[-1].line == "shutdch"


@virtual
async def test_keys_wait_while_sac_works() -> None:
    at = Terminal(delays=Delays(sac_command=1))
    await at.boot()
    await at.type("lock\rlock\r", wait=1.5)
    assert at.raw.count(b"Locked access") == 1
    await asyncio.sleep(1)
    assert at.raw.count(b"Locked access") == 2
