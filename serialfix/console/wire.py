"""From serial bytes to text for the screen, with SAC's XML seen beside it.

Rules: NUL bytes are dropped before everything else (sacsess writes one at the end of each chunk,
sac.md §5); UTF-8 is decoded incrementally; strings addressed to a terminal's window (OSC titles,
DCS, APC) never reach the screen, because the title of a CMD channel repeats the typed command
(sac.md §6.2); XML blocks are wiped from the screen by the ESC[2J that follows them (§4), so they
are recognised here, in the text.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass


SAC_APPLICATION = "63d02270-8aa4-11d5-bccf-806d6172696f"
CMD_APPLICATION = "63d02271-8aa4-11d5-bccf-00b0d014a2d0"


@dataclass(frozen=True, slots=True)
class ChannelSwitch:
    """SAC shows another channel: its name and application type as the XML gives them."""

    name: str
    application: str

    @property
    def is_sac(self) -> bool:
        """Whether the SAC channel itself came into view."""
        return self.application == SAC_APPLICATION or self.name.upper() == "SAC"


@dataclass(frozen=True, slots=True)
class GuestStarted:
    """`<machine-info>` outside a Stop error: EMS announces a boot (sac.md §2.1)."""


@dataclass(frozen=True, slots=True)
class StopError:
    """The guest crashed; `code` is the bug check code as printed, e.g. `0xD1` (sac.md §2.3)."""

    code: str


Signal = ChannelSwitch | GuestStarted | StopError

_BLOCK = re.compile(
    r"<channel-switch>(?P<switch>.{0,2000}?)</channel-switch>"
    r"|(?P<stop><INSTANCE CLASSNAME=\"BLUESCREEN\">.{0,4000}?</INSTANCE>)"
    r"|(?P<info><machine-info>.{0,2000}?</machine-info>)",
    re.DOTALL,
)
_BLOCK_LIMIT = 4100
"""An XML block is about 400 characters; what stays open longer than this is not one."""
_STOP_OPENER = '<INSTANCE CLASSNAME="BLUESCREEN">'
_OPENERS = ("<channel-switch>", "<machine-info>", _STOP_OPENER)

_STRING_STARTS = "]P^_X"
"""After ESC: OSC, DCS, PM, APC, SOS; all end with BEL or ESC backslash."""
_STRING_START = re.compile(rf"\x1b[{re.escape(_STRING_STARTS)}]")
_STRING_LIMIT = 1024
_TITLE = re.compile(r"(?<!\x1b)\x1b\][^\x07\x1b\r\n]{0,1000}\x07")
"""A whole one, which nothing before it makes into something else."""
_MEANT = "\a\b\t\n\r\x1b"
_UNSEEN = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in _MEANT}
"""Controls that are not part of VT-UTF8: pyte acts on some, and drops what follows the others."""


class Wire:
    """Decodes one direction of one attachment. Any chunking of the bytes gives the same result."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._escape = False
        self._string: int | None = None
        self._xml = ""
        self.titles = 0
        """How many window titles were dropped; only the ConPTY renderer sends them (§6.2)."""

    def feed(self, data: bytes) -> list[str | Signal]:
        """Text pieces and signals in the order in which they were on the wire."""
        text = self._without_strings(self._decoder.decode(data.replace(b"\0", b"")))
        return self._split(text.translate(_UNSEEN))

    def _without_strings(self, text: str) -> str:
        if not self._escape and self._string is None:
            rest, titles = _TITLE.subn("", text)
            if not rest.endswith("\x1b") and not _STRING_START.search(rest):  # as nearly always
                self.titles += titles
                return rest
        kept: list[str] = []
        for char in text:
            if self._string is not None:
                self._inside_string(self._string + 1, char, kept)
            elif self._escape:
                self._escape = False
                if char in _STRING_STARTS:
                    self._string = 0
                else:
                    kept += ("\x1b", char)
            elif char == "\x1b":
                self._escape = True
            else:
                kept.append(char)
        return "".join(kept)

    def _inside_string(self, length: int, char: str, kept: list[str]) -> None:
        self._string = length
        if char == "\x07":
            self._string, self.titles = None, self.titles + 1
        elif char == "\x1b":  # ESC backslash ends it; any other escape means the end was lost
            self._string, self._escape = None, True
        elif char in "\r\n" or length > _STRING_LIMIT:
            self._string = None  # a title cut off by a reboot must not swallow the boot text
            kept.append(char)

    def _split(self, text: str) -> list[str | Signal]:
        """Cut the text after each complete XML block, so that signals keep their place."""
        pieces: list[str | Signal] = []
        buffer = self._xml + text
        seen = len(self._xml)  # this much was already handed out
        start = 0
        for match in _BLOCK.finditer(buffer):
            if match.end() <= seen:
                continue
            if match["info"] and _STOP_OPENER in buffer[start : match.start()]:
                break  # the machine-info of a Stop error that is not complete yet
            pieces.append(buffer[max(seen, start) : match.end()])
            pieces.append(_signal(match))
            start = match.end()
            seen = max(seen, start)
        if len(buffer) > seen:
            pieces.append(buffer[seen:])
        self._xml = _open_block(buffer[start:])
        return [piece for piece in pieces if piece != ""]


def _signal(match: re.Match[str]) -> Signal:
    if (body := match["switch"]) is not None:
        return ChannelSwitch(_tag(body, "name"), _tag(body, "application-type").lower())
    if (body := match["stop"]) is not None:
        code = re.search(r"<VALUE>\"?([^<\"]*)\"?</VALUE>", body)
        return StopError(code[1] if code else "unknown")
    return GuestStarted()


def _tag(body: str, name: str) -> str:
    match = re.search(rf"<{name}>\s*([^<]*?)\s*</{name}>", body)
    return match[1] if match else ""


def _open_block(rest: str) -> str:
    """The end of the text from which a block may still grow, else nothing."""
    if "<" not in rest:
        return ""
    starts = [at for opener in _OPENERS if (at := rest.find(opener)) >= 0]
    if starts and len(rest) - min(starts) <= _BLOCK_LIMIT:
        return rest[min(starts) :]
    for length in range(min(len(rest), max(map(len, _OPENERS)) - 1), 0, -1):
        tail = rest[-length:]
        if any(opener.startswith(tail) for opener in _OPENERS):
            return tail
    return ""
