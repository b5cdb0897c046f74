"""Boot configuration."""

from __future__ import annotations

import pytest

from serialfix.errors import CommandFailed
from serialfix.playbook.steps.bcd import BcdStep
from tests.playbook.steps.asked import read


LISTED = """
Windows-Startladeprogramm
-------------------------
identifier              {current}
device                  partition=C:
description             Windows Server
safeboot                Minimal
debug                   Ja
ems                     Yes
"""
SAFE = BcdStep(entry="{current}", element="safeboot", state="absent")
DEBUG = BcdStep(entry="{current}", element="debug", value="no")


def test_an_element_is_read_and_removed_and_put_back() -> None:
    state, asked = read(SAFE, answers={"bcdedit": (LISTED, 0)})
    assert (state, asked) == ("Minimal", ['bcdedit /enum "{cur"rent"}"'])
    assert SAFE.distance(state) == 1
    assert SAFE.line(state) == 'bcdedit /deletevalue "{cur"rent"}" safeboot'
    (back,) = SAFE.restoring(state)
    assert back.line(None) == 'bcdedit /set "{cur"rent"}" safeboot Minimal'
    assert back.distance("minimal") == 0


def test_what_is_absent_is_put_back_as_absent() -> None:
    wish = BcdStep(entry="{bootmgr}", element="timeout", value="5")
    state, _ = read(wish, answers={"bcdedit": (LISTED, 0)})
    assert state is None
    (back,) = wish.restoring(None)
    assert back.wanted is None


def test_yes_and_no_are_translated() -> None:
    state, _ = read(DEBUG, answers={"bcdedit": (LISTED, 0)})
    assert state == "yes"
    assert DEBUG.line(state) == 'bcdedit /set "{cur"rent"}" debug no'


def test_an_unknown_word_decides_nothing() -> None:
    with pytest.raises(CommandFailed, match="may mean yes or no"):
        read(DEBUG, answers={"bcdedit": (LISTED.replace("Ja", "Perhaps"), 0)})


def test_an_entry_that_is_not_there_is_told() -> None:
    with pytest.raises(CommandFailed, match="does not show"):
        read(SAFE, answers={"bcdedit": ("?", 1)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "absent", "value": "x"},
        {"state": "present"},
        {"element": "debug", "value": "perhaps"},
        {"entry": "current", "value": "1"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        BcdStep.model_validate({"entry": "{current}", "element": "timeout", **wrong})
