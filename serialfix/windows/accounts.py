"""net user and net localgroup: local accounts and the members of groups."""

from __future__ import annotations

import re
from collections.abc import Sequence

from serialfix.windows.localised import truth
from serialfix.windows.shell import line, quoted


_ACTIVE = 5
"""Which row of `net user NAME` says whether the account is active: labels are translated, their
order is not."""
_COUNTRY = re.compile(r"\s\d{3}(\s|$)")
"""The row before it holds a number in every language; a comment of several lines moves them."""


def show_user(name: str) -> str:
    """Ask for an account; exit code 2 when there is none."""
    return line(f"net user {quoted(name)}")


def set_active(name: str, *, active: bool) -> str:
    """Enable or disable an account."""
    return line(f"net user {quoted(name)} /active:{'yes' if active else 'no'}")


def show_group(group: str) -> str:
    """Ask for the members of a local group; exit code 2 when there is no such group."""
    return line(f"net localgroup {quoted(group)}")


def set_member(group: str, name: str, *, member: bool) -> str:
    """Add an account to a group, or take it out."""
    return line(f"net localgroup {quoted(group)} {quoted(name)} /{'add' if member else 'delete'}")


def is_active(rows: Sequence[str]) -> bool | None:
    """Whether the account is active; None when the answer is not clear."""
    filled = [row for row in rows if row.strip()]
    if len(filled) <= _ACTIVE or not _COUNTRY.search(filled[_ACTIVE - 1]):
        return None
    return truth(filled[_ACTIVE].split("  ")[-1])


def is_member(rows: Sequence[str], name: str) -> bool:
    """Whether a row behind the last line of dashes is the account; a comment may have one, too."""
    dashes = max((at for at, row in enumerate(rows) if row.startswith("-----")), default=len(rows))
    return name.casefold() in (row.strip().casefold() for row in rows[dashes + 1 :])
