from __future__ import annotations

import pytest

from serialfix.lab.profiles import Language
from tests.lab.terminal import Prompt, virtual


GROUP: dict[Language, str] = {
    "en": "Remote Desktop Users",
    "fr": "Utilisateurs du Bureau à distance",
    "nl": "Gebruikers van extern bureaublad",
    "de": "Remotedesktopbenutzer",
    "ja": "Remote Desktop Users",
}


@virtual
async def test_a_user_is_shown_and_enabled() -> None:
    cmd = Prompt(disk={"builtin": "disabled"})
    code, text = await cmd.run("net user administrator")
    assert code == 0
    assert "Account active               No\r\n" in text
    assert "Local Group Memberships      *Administrators" in text
    assert await cmd.run("net user Administrator /active:yes") == (
        0,
        "The command completed successfully.\r\n\r\n",
    )
    assert "Account active               Yes\r\n" in await cmd.out("net user administrator")


@pytest.mark.parametrize(("language", "yes"), [("fr", "Oui"), ("nl", "Ja"), ("ja", "Yes")])
@virtual
async def test_yes_is_in_the_language_of_the_guest(language: Language, yes: str) -> None:
    text = await Prompt(language=language).out("net user azureadmin")
    assert "Account active" not in text
    line = text.splitlines()[5]
    assert line.endswith(yes)


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        ("net user nobody", 2, "2221"),
        ("net user nobody /active:yes", 2, "2221"),
        ("net user azureadmin Lab-Passw0rd!! /add /y", 2, "2224"),
        ("net user azureadmin simple", 2, "2245"),
        ("net user azureadmin /domain", 2, "1355"),
        ("net user azureadmin /active:perhaps", 1, ""),
        ('net localgroup "Nobody" azureadmin /add', 2, "1376"),
        ('net localgroup "Nobody"', 2, "1376"),
        ('net localgroup "Remote Desktop Users" nobody /add', 2, "3783"),
        ('net localgroup "Remote Desktop Users" azureadmin /delete', 2, "1377"),
        ("net localgroup Administrators azureadmin /add", 2, "1378"),
        ("net localgroup Administrators azureadmin", 1, ""),
        ("net", 1, ""),
        ("net dance", 1, ""),
    ],
)
@virtual
async def test_what_is_refused_changes_nothing(line: str, code: int, number: str) -> None:
    cmd = Prompt()
    before = cmd.machine.disk.snapshot()
    done, text = await cmd.run(line)
    assert (done, number in text) == (code, True)
    assert cmd.machine.disk.snapshot() == before


@pytest.mark.parametrize("language", ["en", "fr", "nl", "de", "ja"])
@virtual
async def test_group_names_are_localised(language: Language) -> None:
    cmd = Prompt(language=language)
    group = GROUP[language]
    if group != GROUP["en"]:
        assert (await cmd.run('net localgroup "Remote Desktop Users"'))[0] == 2
    assert (await cmd.run(f'net localgroup "{group}" azureadmin /add'))[0] == 0
    assert "azureadmin\r\n" in await cmd.out(f'net localgroup "{group.upper()}"')
    assert f"*{group}\r\n" in await cmd.out("net localgroup")
    assert (await cmd.run(rf'net localgroup "{group}" WIN-LAB01\azureadmin /delete'))[0] == 0


@virtual
async def test_a_long_password_is_a_question() -> None:
    cmd = Prompt()
    line = "net user helper Lab-Passw0rd-2026!! /add"
    code, text = await cmd.run(line, "n")
    assert "longer than 14 characters" in text
    assert (code, cmd.machine.disk.accounts.user("helper")) == (2, None)
    assert (await cmd.run(line, ""))[0] == 0  # Enter is yes here
    assert cmd.machine.disk.accounts.user("helper") is not None
    assert (await cmd.run("net user helper /delete"))[0] == 0
    assert (await cmd.run(f"{line} /y"))[0] == 0
    assert (await cmd.run("net user helper *", "Other-Pw1", "Other-Pw1"))[0] == 0


@virtual
async def test_the_services_that_run_and_those_that_must_stop_first() -> None:
    cmd = Prompt()
    assert "   Remote Desktop Services\r\n" in await cmd.out("net start")
    code, _ = await cmd.run("net stop NSI /y")
    assert code == 0
    assert not {"nsi", "dhcp", "dnscache", "nlasvc"} & set(cmd.machine.running)
    code, _ = await cmd.run("net stop termservice", "")
    assert (code, "termservice" in cmd.machine.running) == (2, True)  # Enter is no here
    assert "System error 5" in await cmd.out("net stop gpsvc")
