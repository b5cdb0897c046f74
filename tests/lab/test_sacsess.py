from __future__ import annotations

import asyncio

import pytest

from serialfix.lab.faults import Delays, Faults
from serialfix.lab.guest import PASSWORD
from tests.lab.terminal import Terminal, virtual


PROMPT = r"C:\Windows\system32>"


@virtual
async def test_the_bytes_of_a_login() -> None:
    at = Terminal("ws2022")
    await at.boot()
    await at.banner()
    assert await at.type(" ") == (
        b"\x1b[2J\x1b[0;0H\r\nPlease enter login credentials.\r\n\0Username: \0"
    )
    assert await at.type("azureadmix\x08n\r") == b"azureadmix\b \bn\r\nDomain  : \0"
    assert await at.type("\r") == b"\r\nPassword: \0"
    said = await at.type(f"{PASSWORD}\r")
    assert said.startswith(b"*" * len(PASSWORD) + b"\r\n\r\nAttempting to authenticate...\r\n\0")
    assert b"\x1b[18t" in said
    login = [entry.line for entry in at.guest.entered if entry.where == "login"]
    assert login == ["azureadmin", "", "*" * len(PASSWORD)]


@pytest.mark.parametrize("profile", ["ws2016", "ws2019", "ws2022", "ws2025"])
@virtual
async def test_success_is_a_painted_window(profile: str) -> None:
    at = Terminal(profile)
    await at.open()
    year = {"ws2016": "2016 ", "ws2019": "2018 "}.get(profile, "")
    folder = "System32" if profile == "ws2025" else "system32"
    assert at.rows[0].startswith("Microsoft Windows [Version 10.0.")
    assert at.rows[1:] == [
        f"(c) {year}Microsoft Corporation. All rights reserved.",
        "",
        f"C:\\Windows\\{folder}>",
    ]


@pytest.mark.parametrize(
    ("user", "domain", "password"),
    [("azureadmin", "", "wrong"), ("nobody", "", PASSWORD), ("azureadmin", "CORP", PASSWORD)],
)
@virtual
async def test_a_refusal_ends_the_channel(user: str, domain: str, password: str) -> None:
    at = Terminal()
    await at.boot()
    await at.banner()
    await at.type(" ")
    await at.type(f"{user}\r")
    await at.type(f"{domain}\r")
    said = await at.type(f"{password}\r")
    assert b"\r\nUnable to authenticate.\r\n\0\x1b[2J" in said
    assert b"<name>SAC</name>" in said
    await at.type(" ")
    assert at.rows[-3:] == ["EVENT:   A channel has been closed.", "Channel: Cmd0001", "SAC>"]
    assert b"Cmd0001" not in await at.type("ch\r")


@pytest.mark.parametrize("domain", ["", ".", "win-lab01"])
@virtual
async def test_local_accounts(domain: str) -> None:
    at = Terminal()
    await at.boot()
    await at.banner()
    await at.type(" ")
    await at.type("AzureAdmin\r")
    await at.type(f"{domain}\r")
    await at.type(f"{PASSWORD}\r")
    assert at.rows[-1] == PROMPT


@virtual
async def test_nobody_is_let_in() -> None:
    at = Terminal(faults=Faults(login_refused=True))
    await at.boot()
    await at.banner()
    assert b"Unable to authenticate." in await at.login()


@pytest.mark.parametrize("profile", ["ws2019", "ws2022"])
@virtual
async def test_exit(profile: str) -> None:
    at = Terminal(profile, seed=3)
    await at.open()
    said = await at.type("exit\r")
    title = b"\x1b]0;Administrator: C:\\Windows\\system32\\cmd.exe\x07"
    if profile == "ws2022":
        assert said.startswith(b"exit\r\n" + title + b"\r\nThe Command")
    assert b"\r\nThe Command Console session is exiting.\r\n\0\x1b[2J\x1b[1;1H\x1b[40;37m" in said
    assert b"<name>SAC</name>" in said
    assert said.endswith(b"view this channel.\r\n\r\n")
    await at.type("\r")
    assert at.rows[-3:] == ["EVENT:   A channel has been closed.", "Channel: Cmd0001", "SAC>"]


@virtual
async def test_idle_channels_ask_for_the_credentials_again() -> None:
    at = Terminal(delays=Delays(idle_timeout=120))
    await at.open()
    await at.type("cls\r")
    await at.type("echo kept", wait=100)
    assert at.rows[-1] == PROMPT + "echo kept"
    await asyncio.sleep(30)
    assert at.rows == ["", "Please enter login credentials.", "Username:"]
    await at.type("azureadmin\r")
    await at.type("\r")
    await at.type(f"{PASSWORD}\r")
    assert at.rows[-1] == PROMPT + "echo kept"
    await asyncio.sleep(130)
    await at.type("azureadmin\r")
    await at.type("\r")
    assert b"<name>SAC</name>" in await at.type("wrong\r")


@virtual
async def test_lock_is_for_all_channels() -> None:
    at = Terminal()
    await at.open()
    await at.type(b"\x1b\t0 ")
    await at.type("lock\r")
    await at.type("ch -si 1\r")
    assert (await at.type(" ")).endswith(b"credentials.\r\n\0Username: \0")
    await at.type("azureadmin\r")
    await at.type("\r")
    await at.type(f"{PASSWORD}\r")
    assert at.rows[-1] == PROMPT


@virtual
async def test_a_live_session_of_somebody_else() -> None:
    at = Terminal(faults=Faults(orphans=2, orphan_in_view=True))
    await at.boot()
    assert at.rows[-1] == PROMPT + r"dir C:\imp"
    assert b"<name>SAC</name>" in await at.type(b"\x1b\t0 ")
    said = await at.type("ch\r")
    assert b"1 (AV)    Cmd0001\r\n2 (AV)    Cmd0002\r\n" in said
    assert await at.banner() == "Cmd0003"


@virtual
async def test_a_channel_that_is_not_painted_again() -> None:
    at = Terminal(faults=Faults(no_repaint=True))
    await at.open()
    await at.type(b"\x1b\t0 ")
    await at.type("ch -sn Cmd0001\r")
    assert await at.type(" ") == b""
    assert b"WIN-LAB01" in await at.type("hostname\r")


@pytest.mark.parametrize("profile", ["ws2019", "ws2022"])
@virtual
async def test_a_program_in_the_background_moves_the_prompt(profile: str) -> None:
    """The line goes on where the text of the other ended, and is entered as a whole."""
    at = Terminal(profile)
    await at.open()
    await at.type("host")
    at.guest.murmur("\r\none file copied\r\n")
    await at.type("name", wait=0.2)
    assert at.rows[-3:] == [PROMPT + "host", "one file copied", "name"]
    await at.type("\r")
    assert at.guest.entered[-1].line == "hostname"
    await at.type(b"\x1b\t0 ")
    at.guest.murmur("nobody sees it")
    await asyncio.sleep(0.2)
    assert "nobody" not in "".join(at.rows)  # SAC is in view


@virtual
async def test_repeated_keys_are_lost_when_they_come_fast() -> None:
    at = Terminal("ws2019", faults=Faults(drop_repeats=1.0))
    await at.open()
    await at.type("cls\r")
    await at.type("reg add HKLM\\\\aabbb")
    assert at.rows[-1] == PROMPT + "reg ad HKLM\\ab"
    await at.type("b", wait=1.2)
    await at.type("b", wait=1.2)
    assert at.rows[-1] == PROMPT + "reg ad HKLM\\abb"


@virtual
async def test_repeated_keys_are_multiplied() -> None:
    at = Terminal("ws2022", faults=Faults(multiply_repeats=1.0))
    await at.open()
    await at.type("cls\r")
    await at.type("Current")
    assert at.rows[-1] in (PROMPT + "Currrent", PROMPT + "Currrrent")


@virtual
async def test_the_first_keys_are_eaten() -> None:
    at = Terminal("ws2019", faults=Faults(eat_first_keys=5))
    await at.open()
    assert at.rows[-1] == PROMPT
    await at.type("lost", wait=5)
    await at.type("kept")
    assert at.rows[-1] == PROMPT + "kept"
