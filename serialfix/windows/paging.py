"""The whole output of a command: into a file in the guest, and from there to the screen in pages.

The screen has 24 rows and no scroll-back, and a scraping renderer never sends what scrolls past
between two polls (sac.md §6.3). So each line of a page comes with its number in front and a
one-time mark behind: nothing can be missing, and blanks at the end are seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from serialfix.errors import UnsafeStep
from serialfix.windows.shell import bare, line


PAGE = 12
"""Lines asked for at once: typing takes up to four rows, the frame three, the screen has 24."""
LONGEST = 1200
"""Characters of a line that fit on the screen with all that stands around it."""
_COLUMNS = 80
_MAYBE = "\ue000"
"""A blank in the last cell before a character of two cells, which may be padding."""


def is_simple(command: str) -> bool:
    """Whether a line is one command, so that what stands behind it belongs to it alone.

    >>> is_simple('reg query "A & B"'), is_simple("ver & ver")
    (True, False)
    """
    return not set(bare(command)) & set("&|<>()")


def capture(command: str, file: str, end: str) -> str:
    """Have one command write into a file, and `end` behind it; it gets no keys, so that a question
    ends it.

    The exit code stays that of the command. Raises UnsafeStep for more than one command: what
    cmd.exe makes of redirected blocks differs.
    """
    if not is_simple(command):
        raise UnsafeStep(
            f"{command} is more than one command, so its output cannot be kept whole",
            remedy='Nothing was typed. Give one command, or put them into cmd /c "…".',
        )
    return line(f'{command} >"{file}" 2>&1 <nul & echo {end}>>"{file}"')


def page(file: str, first: int, last: int, mark: str, *, shift: bool = False) -> str:
    """Show some lines of a file, as `[12]text` and the mark; `shift` moves them by one column.

    `find` numbers also the blank lines, which `for` would leave out; the inner loop reads the
    number alone, so that the text is shown as it is.
    """
    return line(
        f'for /f "delims=" %l in (\'find /n /v "" ^<"{file}"\') do '
        f'@for /f "delims=[]" %Q in ("%l") do '
        f"@if %Q geq {first} if %Q leq {last} echo {'.' if shift else ''}%l{mark}"
    )


def remove(file: str) -> str:
    """Remove the file."""
    return line(f'del "{file}"')


def lines(
    rows: Sequence[str], first: int, mark: str, *, shift: bool = False
) -> tuple[list[str], bool]:
    """The lines of a page, from `first` on, and whether that is all that the rows hold.

    A blank that may be padding (see `settled`) is marked.
    """
    found: list[str] = []
    start = f"{'.' if shift else ''}["
    *pieces, rest = _marked(rows).split(mark)
    for piece in pieces:
        head, closed, content = piece.lstrip(" ").removeprefix(start).partition("]")
        if not closed or head != str(first + len(found)):
            return found, False
        found.append(content)
    return found, not rest.strip()


def _marked(rows: Iterable[str]) -> str:
    """All rows as one text; what is blank before a character of two cells is doubtful."""
    text = ""
    before = ""
    for row in rows:
        if before.endswith(" ") and row and _is_wide(row[0]):
            text = text[:-1] + _MAYBE
        text += row
        before = row
    return text


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"


def is_doubtful(found: Iterable[str]) -> bool:
    """Whether a page must be looked at once more, shifted, before its lines are `settled`."""
    return any(_MAYBE in text for text in found)


def settled(one: str, other: str) -> str | None:
    """The line that two views of it allow, in which rows break at different places; None when they
    allow none, or several.

    A character of two cells that does not fit at the end of a row leaves a cell blank there, which
    looks as if the line held a blank.
    """
    both = set(_readings(one)) & set(_readings(other))
    return both.pop() if len(both) == 1 else None


def readings(rows: Sequence[str]) -> list[str]:
    """The texts that rows of the screen, one text over all of them, may mean."""
    return list(_readings(_marked(rows)))


def _readings(text: str) -> Iterator[str]:
    parts = re.split(_MAYBE, text)
    for blanks in product(("", " "), repeat=min(len(parts) - 1, 8)):
        yield "".join(part + blank for part, blank in zip(parts, (*blanks, ""), strict=False))
