"""sc.exe in any language."""

from __future__ import annotations

import pytest

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
