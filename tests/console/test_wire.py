"""Any chunking of the wire gives the same text and the same signals."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serialfix.console.wire import (
    CMD_APPLICATION,
    ChannelSwitch,
    GuestStarted,
    Signal,
    StopError,
    Wire,
)


# sac.md §4, byte for byte
SWITCH = (
    b'\x1b[2J\x1b[1;1H\x1b[40;37m\x1b[0m<?xml version="1.0"?>\r\n'
    b"<channel-switch>\r\n<name>Cmd0002</name>\r\n<description>Command Prompt</description>\r\n"
    b"<type>VT-UTF8</type>\r\n<guid>e1db4e6a-72b1-11ee-8f43-525400123456</guid>\r\n"
    b"<application-type>63d02271-8aa4-11d5-bccf-00b0d014a2d0</application-type>\r\n"
    b"</channel-switch>\r\n\x1b[2J\x1b[1;1H\x1b[40;37m\x1b[0mName:                  Cmd0002\r\n"
)
CRASH = (
    b'<INSTANCE CLASSNAME="BLUESCREEN">\r\n<PROPERTY NAME="STOPCODE" TYPE="string">'
    b'<VALUE>"0xD1"</VALUE></PROPERTY><machine-info>\r\n<name>vm</name>\r\n</machine-info>\r\n'
    b"</INSTANCE>\r\n\r\n!SAC>"
)
BOOT = b'<?xml version="1.0"?>\r\n<machine-info>\r\n<name>vm</name>\r\n</machine-info>\r\n'
STREAM = (
    BOOT
    + b"\x1b[2JSAC>\0cmd\r\n"
    + SWITCH
    + "Gebr\u00e4uchlich \u65e5\u672c\u8a9e ".encode()
    + b"\0User\0name: \x1b]0;Administrator: cmd.exe - reg  query\x07\x1b[K"
    + CRASH
)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def through(chunks: list[bytes]) -> tuple[str, list[Signal], int]:
    """Text, signals and titles of a chunking."""
    wire = Wire()
    pieces = [piece for chunk in chunks for piece in wire.feed(chunk)]
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text, [piece for piece in pieces if not isinstance(piece, str)], wire.titles


def test_text_without_nul_and_titles_and_all_signals() -> None:
    """What a screen must see, and what stands beside it."""
    text, signals, titles = through([STREAM])
    assert signals == [
        GuestStarted(),
        ChannelSwitch("Cmd0002", CMD_APPLICATION),
        StopError("0xD1"),
    ]
    assert "\0" not in text
    assert "Administrator" not in text
    assert "Username: " in text
    assert "\u65e5\u672c\u8a9e" in text
    assert titles == 1


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_every_chunking_gives_the_same(cuts: list[int]) -> None:
    """UTF-8, escapes, XML and titles may be cut anywhere."""
    assert through(split(STREAM, cuts)) == through([STREAM])


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=20))
def test_any_bytes_in_any_chunking_give_the_same(data: bytes, cuts: list[int]) -> None:
    """Line noise is decoded alike however it comes."""
    assert through(split(data, cuts)) == through([data])


def test_signals_keep_their_place_in_the_text() -> None:
    """What follows a switch on the wire follows it in the pieces."""
    pieces = Wire().feed(b"before" + SWITCH + b"after")
    at = next(i for i, piece in enumerate(pieces) if isinstance(piece, ChannelSwitch))
    after = "".join(piece for piece in pieces[at + 1 :] if isinstance(piece, str))
    assert "before" in "".join(str(piece) for piece in pieces[:at])
    assert after.endswith("after")


def test_a_title_without_end_does_not_swallow_what_follows() -> None:
    """A reboot can cut a title off."""
    text, _, _ = through([b"\x1b]0;Administrator: C:\\Win\r\nBdsDxe: loading\r\n"])
    assert "BdsDxe: loading" in text


def test_a_title_ended_by_string_terminator_is_dropped() -> None:
    """ESC backslash ends a string as BEL does."""
    assert through([b"a\x1b]2;t\x1b\\b"])[0] == "a\x1b\\b"


def test_an_open_block_that_never_ends_is_given_up() -> None:
    """Memory stays bounded when a guest prints an opening tag and much text."""
    wire = Wire()
    for _ in range(100):
        wire.feed(b"<channel-switch>" + b"x" * 1000)
    assert len(wire._xml) < 6000
    assert ChannelSwitch("Cmd0002", CMD_APPLICATION) in wire.feed(SWITCH)


def test_controls_that_mean_nothing_are_dropped() -> None:
    """pyte would drop the text that follows them in the same chunk."""
    assert through([b"a\x01b\x1fc\x0ed"])[0] == "abcd"
