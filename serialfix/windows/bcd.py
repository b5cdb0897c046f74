"""bcdedit: elements of the boot configuration. Their names are not translated, yes and no are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serialfix.windows.localised import truth
from serialfix.windows.shell import line, quoted


BOOLEANS = frozenset(
    {
        *("bootdebug", "bootems", "bootlog", "debug", "disabledynamictick", "displaybootmenu"),
        *("ems", "integrityservices", "nocrashautoreboot", "nointegritychecks"),
        *("recoveryenabled", "safebootalternateshell", "testsigning"),
    }
)
_ROW = re.compile(r"^(?P<element>[a-z][a-z0-9]+)\s+(?P<value>\S.*?)\s*$", re.IGNORECASE)


def enumerate_entry(entry: str) -> str:
    """Ask for one entry; exit code 1 when there is none."""
    return line(f"bcdedit /enum {quoted(entry)}")


def set_element(entry: str, element: str, value: str) -> str:
    """Set an element."""
    return line(f"bcdedit /set {quoted(entry)} {element} {quoted(value)}")


def delete_element(entry: str, element: str) -> str:
    """Remove an element; exit code 1 when it is not there."""
    return line(f"bcdedit /deletevalue {quoted(entry)} {element}")


def element(rows: Iterable[str], name: str) -> str | None:
    """The value of an element; None when it is not there. Yes and no are given in English.

    Raises ValueError for a yes or no in an unknown language, and for a list.
    """
    found = None
    for row in rows:
        if found is not None:
            if row.strip() and row[0].isspace():
                raise ValueError(f"{name} is a list, which is not set as a whole")
            break
        match = _ROW.match(row)
        if match is not None and match["element"].casefold() == name.casefold():
            found = match["value"]
    return None if found is None else english(name, found)


def english(name: str, value: str) -> str:
    """A value as `/set` takes it. Raises ValueError for a yes or no in an unknown language."""
    if name.casefold() not in BOOLEANS:
        return value
    known = {"on": True, "off": False}.get(value.casefold(), truth(value))
    if known is None:
        raise ValueError(f"{name} is {value!r}, which may mean yes or no")
    return "yes" if known else "no"
