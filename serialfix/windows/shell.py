"""cmd.exe: quoting, and what a line may hold.

Only constructs that mean the same in every cmd.exe are used, and nothing that asks a question.
"""

from __future__ import annotations

import re

from serialfix.errors import UnsafeStep


LINE_LIMIT = 1000
"""Far below cmd.exe's 8,191 and the portal's 2,048: 13 rows of the screen, to be compared whole."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:\\-]+")
_REFUSED = '"%'


def quoted(text: str) -> str:
    r"""The text as one argument of a Windows program, typed at the prompt.

    >>> quoted("SecurityLayer"), quoted("Terminal Server")
    ('SecurityLayer', '"Terminal Server"')

    Within double quotes cmd.exe leaves `&|<>^` alone. Backslashes at the end are doubled, because
    a program's C runtime reads `\"` as a quote. Raises UnsafeStep for text that holds a double
    quote, a percent sign or a control character: those do not arrive as written.
    """
    if bad := [char for char in text if char in _REFUSED or ord(char) < 0x20 or ord(char) == 0x7F]:
        raise UnsafeStep(
            f"{bad[0]!r} in {text!r} cannot be typed at a command prompt as it stands",
            remedy="Nothing was typed. Set this value another way, e.g. by a .reg file.",
        )
    if _PLAIN.fullmatch(text) and not text.endswith("\\"):
        return text
    tail = "\\" * (len(text) - len(text.rstrip("\\")))
    return f'"{text}{tail}"'


def line(text: str) -> str:
    """The line itself. Raises UnsafeStep when it is too long to be verified on the screen."""
    if len(text) > LINE_LIMIT:
        raise UnsafeStep(
            f"a line of {len(text)} characters is too long to be verified on an 80x24 screen: "
            f"{text[:60]}…",
            remedy=f"Keep the data of a step short; a line may have {LINE_LIMIT} characters.",
        )
    return text
