"""What a person is told where SAC cannot be had."""

from __future__ import annotations

import pytest

from serialfix.console import sac_errors
from serialfix.console.machine import Console, Patience
from serialfix.console.sac import OPEN, Channel, SacMachine


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (b"", "is silent"),
        (b"VM health report: ok\r\n", "EMS is off"),
        (b"BdsDxe: loading\r\n", "no SAC prompt"),
    ],
)
def test_why_there_is_no_sac(shown: bytes, why: str) -> None:
    """Silence, health reports and other text have different causes."""
    console = Console()
    console.feed(shown)
    error = sac_errors.no_sac(SacMachine(OPEN, Patience()), console)
    assert why in str(error)
    assert "EnableEMS" in error.remedy


def test_a_crash_is_named_by_its_code() -> None:
    """As the XML block gives it."""
    console = Console()
    console.feed(b'<INSTANCE CLASSNAME="BLUESCREEN"><VALUE>"0xD1"</VALUE></INSTANCE>\r\n!SAC>')
    assert "0xD1" in str(sac_errors.stop_error(SacMachine(OPEN, Patience()), console))


def test_other_peoples_channels_are_named() -> None:
    """They are not ours to close."""
    machine = SacMachine(OPEN, Patience())
    machine.others = [Channel(1, True, "Cmd0001"), Channel(2, True, "Cmd0004")]
    error = sac_errors.channel_error("in use: {channels}", "close one")(machine, Console())
    assert str(error) == "in use: Cmd0001, Cmd0004"
    assert error.remedy == "close one"
