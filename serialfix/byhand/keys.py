"""From what a terminal sends to keystrokes; an escape sequence is one keystroke."""

from __future__ import annotations

import codecs
import re

from serialfix.errors import ConfigError


ESC = "\x1b"
ENTER = ("\r", "\n")
_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O[ -~])")
_OPEN = re.compile(r"\x1b(\[[0-?]{0,30}[ -/]{0,4}|O)?")


class Keys:
    """Splits a terminal's bytes. Any chunking of a sequence gives the same keystrokes.

    A lone ESC cannot be told from the beginning of a sequence: while `waiting`, the caller gives
    it a moment and then calls `flush`.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._rest = ""

    @property
    def waiting(self) -> bool:
        """Whether a sequence has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """The keystrokes that are complete now. A pasted CR LF is one Enter."""
        text = (self._rest + self._decoder.decode(data)).replace("\r\n", "\r")
        keys: list[str] = []
        at = 0
        while at < len(text):
            if match := _SEQUENCE.match(text, at):
                keys.append(match[0])
                at = match.end()
            elif text[at] == ESC and _OPEN.fullmatch(text, at):
                break
            else:
                keys.append(text[at])
                at += 1
        self._rest = text[at:]
        return keys

    def flush(self) -> list[str]:
        """What waited was no sequence: its characters one by one."""
        keys, self._rest = list(self._rest), ""
        return keys


def control_key(name: str) -> str:
    """`^]` as the character that it sends. Raises ConfigError.

    >>> control_key("^T")
    '\\x14'
    """
    letter = name.removeprefix("^").upper()
    if len(letter) != 1 or not "A" <= letter <= "_" or letter in "MJHI[":
        raise ConfigError(
            f"not a key for the menu: {name!r}",
            remedy="Give ^] or another control key such as ^T; not Enter, Tab, ^H or Escape.",
        )
    return chr(ord(letter) - 0x40)
