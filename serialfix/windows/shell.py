"""cmd.exe: quoting, how a text is spelled so that it can be typed fast, and what a line may hold.

Only constructs that mean the same in every cmd.exe are used, and nothing that asks a question.

Consoles lose or multiply equal neighbours that come fast (sac.md §7). Text is therefore spelled
without them where it means the same: letters of what has no case alternate it (`alike`, as
Microsoft's own page of SAC commands does), arguments open or close a quote between two equal
characters (`quoted`). What cannot be respelled stays, and the typist takes its time for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from serialfix.console.typist import pairs
from serialfix.errors import UnsafeStep


LINE_LIMIT = 1000
"""Far below cmd.exe's 8,191 and the portal's 2,048: 13 rows of the screen, to be compared whole."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:\\-]+")
_ACTED_ON = re.compile(r'[()%!^"<>&|]')
"""What cmd.exe acts on outside double quotes, `%` and `!` also within."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Zl", "Zp"})
"""Categories that have no cell of their own on the screen, so that no echo could prove them."""


def alike(text: str) -> str:
    """The same name for a reader without regard to case, with no letter twice in a row.

    >>> alike("CurrentControlSet"), alike("add")
    ('CurRentControlSet', 'adD')
    """
    spelled = ""
    for char in text:
        spelled += char.swapcase() if spelled.endswith(char) and char.isascii() else char
    return spelled


@lru_cache(maxsize=1024)  # the same keys and values again and again
def quoted(text: str) -> str:
    r"""The text as one argument of a Windows program, typed at the prompt.

    >>> quoted("SecurityLayer"), quoted("Terminal Server"), quoted("60000"), quoted('5" 10%')
    ('SecurityLayer', '"Terminal Server"', '60"0"0"0"', '^"5\\^" 10%^"')

    The program's C runtime puts the text together again; neither it nor cmd.exe sees a case or a
    character changed. Raises UnsafeStep for text with characters that cannot be typed, or that no
    screen would show.
    """
    for char in text:
        if unicodedata.category(char) in _UNSEEN or ord(char) > 0xFFFF:
            # SAC carries the BMP only (sac.md §6.1).
            raise UnsafeStep(
                f"U+{ord(char):04X} in {text!r} cannot be typed and seen on a serial console",
                remedy="Nothing was typed. Set this value another way, e.g. by a .reg file.",
            )
    escaped = _escaped(text)
    if '"' in text or "%" in text:
        return escaped
    return min(_toggled(text), escaped, key=lambda typed: (pairs(typed), len(typed)))


def _toggled(text: str) -> str:
    r"""Within double quotes cmd.exe leaves all but `%` alone; a quote between equal neighbours.

    Backslashes before a quote are doubled, because a program's C runtime reads `\"` as a quote.
    """
    inside = not _PLAIN.fullmatch(text) or text.endswith("\\")
    typed = '"' if inside else ""
    for char in text:
        harmless = _PLAIN.fullmatch(char) is not None
        if char == typed[-1:] and harmless and char != "\\":
            typed, inside = typed + '"', not inside
        elif not inside and not harmless:
            typed, inside = f'{typed}{_slashes(typed)}"', True
        typed += char
    return f'{typed}{_slashes(typed)}"' if inside else typed


def _escaped(text: str) -> str:
    """Every character that cmd.exe acts on behind a caret, so that it never sees a quote.

    `%` is followed by one too: cmd.exe, at its prompt, then looks in vain for a variable whose
    name begins with a caret, and leaves both percent signs alone (sac.md §9).
    """
    argument = re.sub(r'(\\*)"', r'\1\1\\"', text)
    typed = ""
    for char in f'"{argument}{_slashes(argument)}"':
        special = _ACTED_ON.match(char) is not None
        if (special and char != "%") or typed.endswith("%") or (typed.endswith(char)):
            typed += "^"
        typed += char
    return typed


def _slashes(text: str) -> str:
    """The backslashes at the end of a text."""
    return text[len(text.rstrip("\\")) :]


UNSEEN_WINDOW = "it opens a window that nobody sees"
_ASKING: Mapping[str, re.Pattern[str]] = {
    why: re.compile(rf"(?:^|[&|(@])\s*(?:{command})", re.IGNORECASE)
    for why, command in {
        "without /f it asks before it overwrites": r"reg(\.exe)?\s+(add|copy)\b(?!.*\s/f\b)",
        "without /f it asks before it deletes": r"reg(\.exe)?\s+delete\b(?!.*\s/f\b)",
        "without /y it asks when the file exists": r"reg(\.exe)?\s+(export|save)\b(?!.*\s/y\b)",
        "it waits for a key": r"pause\b|(choice|timeout)\b(?!.*\s/t\b)",
        "it waits for a line": r"set\s+(/a\s+)?/p\b|(date|time)\s*($|[&|)])",
        "without /q it may ask": r"(del|erase|rd|rmdir)\b(?!.*\s/q\b)(?=.*(\*|\s/s\b))",
        "it waits for a key at every page": r"more\b",
        "it asks whether to go on": (
            r"(format|convert)\b|chkdsk\b(?!\s+[abd-z]:.*\s/x\b).*\s/[fr]\b"
        ),
        "without /y it asks when other services depend on it": (
            r"net1?(\.exe)?\s+stop\b(?!.*\s/y(es)?\b)"
        ),
        "without /norestart and /quiet it asks whether to restart": (
            r"dism(\.exe)?\b(?=.*\s/online\b)(?=.*\s/(enable-|disable-|add-|remove-))"
            r"(?!(?=.*\s/norestart\b)(?=.*\s/quiet\b))"
        ),
        "without /d it asks for folders that it cannot read": (
            r"takeown(\.exe)?\b(?=.*\s/r\b)(?!.*\s/d\b)"
        ),
        "it asks whether to log off or restart": (
            r"gpupdate(\.exe)?\b(?=.*\s/(force|logoff|boot)\b)"
        ),
        "it asks for a password": (
            r"net1?(\.exe)?\s+user\s(.*\s)?\*(\s|$)|runas\b|net1?(\.exe)?\s+use\s.*\s\*"
            r"|cmdkey\b(?=.*\s/pass(\s|$))|netdom\b(?=.*:\*(\s|$))"
        ),
        "without /i and /y it asks": r"xcopy(\.exe)?\b(?!(?=.*\s/i\b)(?=.*\s/y\b))",
        "it never ends by itself": r"ping(\.exe)?\b(?=.*\s-t\b)",
        UNSEEN_WINDOW: (
            r"slmgr(\.vbs)?\b|wscript\b|mmc\b|notepad\b|regedit(\.exe)?\b(?!.*\s/s\b)"
            r"|control\b|eventvwr\b|msconfig\b|mstsc\b|taskmgr\b|explorer\b|\S+\.msc\b"
            r"|msiexec(\.exe)?\b(?!.*\s/q)|wusa(\.exe)?\b(?!.*\s/quiet\b)"
            r"|procmon(\.exe)?\b(?!.*\s/accepteula\b)"
        ),
        "it opens a dialogue of its own": (
            r"(cmd|powershell|pwsh|netsh|nslookup|ftp|wmic|diskpart|debug|edit)(\.exe)?\s*($|[&|)])"
            r"|telnet\b"
        ),
    }.items()
}
_TEXTS = re.compile(r'\^.|"[^"]*"')
"""What is data to cmd.exe: behind a caret, and within quotes."""


def bare(text: str) -> str:
    """A command line with its data blotted out: what cmd.exe acts on."""
    return _TEXTS.sub("_", text)


def question(text: str) -> str | None:
    """Why a command line would wait for somebody to answer; None when it does not.

    >>> question(r"reg add HKLM\\SOFTWARE\\A /v B /d 1"), question("netsh winsock reset")
    ('without /f it asks before it overwrites', None)
    """
    return next((why for why, asks in _ASKING.items() if asks.search(bare(text))), None)


def line(text: str) -> str:
    """The line itself.

    Raises UnsafeStep when it is too long to be verified on the screen, or would ask a question.
    """
    if len(text) > LINE_LIMIT:
        raise UnsafeStep(
            f"a line of {len(text)} characters is too long to be verified on an 80x24 screen: "
            f"{text[:60]}…",
            remedy=f"Keep the data of a step short; a line may have {LINE_LIMIT} characters.",
        )
    if (why := question(text)) is not None:
        raise UnsafeStep(
            f"{text[:60]} would wait for an answer: {why}",
            remedy="Nothing was typed. Give the switch that answers, or leave the command out.",
        )
    return text
