"""Accounts and groups."""

from __future__ import annotations

import pytest

from serialfix.errors import CommandFailed
from serialfix.playbook.steps.account import AccountStep
from tests.playbook.steps.asked import read


USER = """Benutzername                             lab
Vollständiger Name
Beschreibung                             Ja  Nein
Benutzerbeschreibung
Länder-/Regionscode                      000 (Systemstandard)
Konto aktiv                              Nein
Konto abgelaufen                         Nie
"""
GROUP = """Aliasname     Remotedesktopbenutzer
Beschreibung  Mitglieder dürfen sich remote anmelden

Mitglieder

-------------------------------------------------------------------------------
CONTOSO\\bob
alice
Der Befehl wurde erfolgreich ausgeführt.
"""
ENABLED = AccountStep(name="lab", enabled=True)
MEMBER = AccountStep(name="Alice", member_of="Remotedesktopbenutzer", member=True)


def test_an_account_is_enabled_and_disabled_again() -> None:
    state, _ = read(ENABLED, answers={"net user": (USER, 0)})
    assert state == {"enabled": False}
    assert ENABLED.line(state) == "net user lab /active:yes"
    (back,) = ENABLED.restoring(state)
    assert back.line({}) == "net user lab /active:no"


@pytest.mark.parametrize(
    ("text", "code"),
    [("Der Benutzername konnte nicht gefunden werden.", 2), (USER.replace("Nein\n", "?\n"), 0)],
)
def test_what_is_not_clear_is_told(text: str, code: int) -> None:
    with pytest.raises(CommandFailed, match="whether the account lab is enabled"):
        read(ENABLED, answers={"net user": (text, code)})


def test_members_stand_behind_the_dashes() -> None:
    state, _ = read(MEMBER, answers={"net localgroup": (GROUP, 0)})
    assert state == {"member": True}
    other = AccountStep(name="Aliasname", member_of="Remotedesktopbenutzer", member=True)
    state, _ = read(other, answers={"net localgroup": (GROUP, 0)})
    assert state == {"member": False}
    assert other.line(state) == "net localgroup Remotedesktopbenutzer Aliasname /add"
    (back,) = other.restoring(state)
    assert back.wanted == {"member": False}


def test_a_group_that_is_not_there_is_told() -> None:
    with pytest.raises(CommandFailed, match="shows no group"):
        read(MEMBER)


@pytest.mark.parametrize(
    "wrong", [{}, {"enabled": True, "member": True, "member_of": "G"}, {"member": True}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Value error"):
        AccountStep.model_validate({"name": "x", **wrong})
