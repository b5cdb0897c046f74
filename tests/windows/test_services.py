"""sc.exe in any language."""

from __future__ import annotations

import pytest

from serialfix.lab.profiles import dword
from serialfix.windows import services


ENGLISH = """
SERVICE_NAME: TermService
        TYPE               : 30  WIN32
        STATE              : 4  RUNNING
                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)
        WIN32_EXIT_CODE    : 0  (0x0)
"""
FRENCH = "        ÉTAT               : 1  STOPPED"
GERMAN = "        STATUS             : 3  STOP_PENDING"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (ENGLISH, "RUNNING"),
        (FRENCH, "STOPPED"),
        (GERMAN, "STOP_PENDING"),
        ("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:", None),
        ("SERVICE_NAME: RUNNING", None),
        ("", None),
    ],
)
def test_state(text: str, state: str | None) -> None:
    assert services.state(text.splitlines()) == state


def test_line() -> None:
    assert services.query("TermService") == "sc query TermService"
    assert services.query("My Service") == 'sc query "My Service"'


NEEDED_BY = """[SC] EnumDependentServices: entriesread = 2

NOM_SERVICE: UmRdpService
NOM_COMPLET: Redirecteur
        ÉTAT               : 4  RUNNING

SERVICE_NAME: Other Service
        STATE              : 1  STOPPED
        WIN32_EXIT_CODE    : 1077  (0x435)
        PID                : 0
"""


def test_dependents_in_any_language() -> None:
    assert services.states(NEEDED_BY.splitlines()) == {
        "UmRdpService": "RUNNING",
        "Other Service": "STOPPED",
    }


def test_process_and_error() -> None:
    assert services.process(NEEDED_BY.splitlines()) == 0
    assert services.process(ENGLISH.splitlines()) is None
    assert services.ended(NEEDED_BY.splitlines()) == 1077
    assert services.ended(ENGLISH.splitlines()) == 0


def test_what_sc_config_could_not_put_back_has_no_word() -> None:
    assert services.type_word(dword(0x110)) == ""
    assert services.type_word(dword(0x10)) == "own"
    assert services.start_word(None, None) == ""
    assert services.start_word(dword(2), dword(1)) == "delayed-auto"
    assert services.start_word(dword(9), None) == ""


def test_what_a_service_is_called_is_not_its_state() -> None:
    rows = ["SERVICE_NAME: A ", "DISPLAY_NAME: Gate: 4  RUNNING", "        STATE   : 1  STOPPED "]
    assert services.states(rows) == {"A": "STOPPED"}
