from __future__ import annotations

import pytest

from serialfix.lab.machine import RemoteSession
from serialfix.lab.profiles import Language
from tests.lab.terminal import Prompt, virtual


@pytest.mark.parametrize(
    ("language", "state"), [("en", "Listen"), ("de", "Abhör."), ("fr", "Écouter"), ("nl", "Luist.")]
)
@virtual
async def test_the_listener_is_a_session_with_a_large_number(
    language: Language, state: str
) -> None:
    cmd = Prompt(language=language)
    code, text = await cmd.run("qwinsta")
    assert code == 0
    assert text.splitlines()[-1].split() == ["rdp-tcp", "65536", state]
    assert text.splitlines()[1].startswith(">services")
    assert await cmd.out("query session") == text
    await cmd.run("net stop TermService /y")
    assert "65536" not in await cmd.out("qwinsta")


@virtual
async def test_who_is_logged_on_and_how_to_end_that() -> None:
    cmd = Prompt()
    assert await cmd.run("query user") == (1, "No User exists for *\r\n")
    cmd.machine.sessions += [RemoteSession(2, "helper"), RemoteSession(3, "other", "Disc")]
    text = await cmd.out("qwinsta")
    assert [line.split() for line in text.splitlines()[3:5]] == [
        ["rdp-tcp#2", "helper", "2", "Active"],
        ["other", "3", "Disc"],
    ]
    assert (await cmd.run("quser"))[0] == 0
    assert (await cmd.run("logoff 3"))[0] == 0
    assert "other" not in await cmd.out("query user")
    assert await cmd.run("logoff 3") == (1, "Session 3 not found\r\n")
    assert (await cmd.run("query nothing"))[0] == 1
