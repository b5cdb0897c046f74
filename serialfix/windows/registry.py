"""reg.exe: the lines that are typed, and typed values out of its answers.

Answers are judged by exit code and by `NAME  REG_TYPE  data` rows, whose type names and layout are
the same in every language (sac.md §9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows.shell import line, quoted


BATCH = 13
"""Values asked for in one line: the line takes up to 7 rows, each answer one, the screen has 24."""
_ROW = re.compile(r"^    (?P<name>\S.*?)    (?P<type>REG_[A-Z_]+)(?:    (?P<data>.*))?$")
_BATCHABLE = re.compile(r"[A-Za-z0-9_]+")


def query(key: str, name: str) -> str:
    """Ask for one value: exit code 0 and a row, or 1 when there is none."""
    return line(f"reg query {_key(key)} /v {quoted(name)}")


def query_many(key: str, names: Sequence[str]) -> str:
    """Ask for up to BATCH values in one line; each answers with its row, or with `[NAME]`.

    `find` leaves out blank rows and the key's name, and gives 1 when nothing was found;
    `if errorlevel` is evaluated when it is reached, unlike %ERRORLEVEL%.
    """
    names = " ".join(names)
    return line(
        f'for %v in ({names}) do @(reg query {_key(key)} /v %v 2>nul | find "REG_" '
        "& if eRrorlevel 1 echo [%v])"
    )


def batches(names: Iterable[str]) -> list[list[str]]:
    """Names that a `for` can carry, in groups that fit on the screen; other names stand alone."""
    groups: list[list[str]] = [[]]
    for name in names:
        if not _BATCHABLE.fullmatch(name):
            groups.insert(0, [name])
        elif len(groups[-1]) < BATCH:
            groups[-1].append(name)
        else:
            groups.append([name])
    return [group for group in groups if group]


def query_exactly(key: str, name: str) -> str:
    """Ask for one value, with `]` behind each row of the answer: so blanks at its end show."""
    return line(
        f"for /f \"delims=\" %a in ('reg query {_key(key)} /v {quoted(name)}') do @echo %a]"
    )


def key_exists(key: str) -> str:
    """Exit code 0 when the key is there, 1 when not; prints nothing."""
    return line(f"reg query {_key(key)} >nul 2>nul")


def list_key(key: str) -> str:
    """The values and keys in a key; prints nothing for an empty one."""
    return line(f"reg query {_key(key)}")


def add(key: str, name: str, value: RegistryValue) -> str:
    """Write a value; `/f` so that it never asks."""
    data = _data(value)
    return line(f"reg add {_key(key)} /v {quoted(name)} /t {value.type} /d {data} /f")


def delete(key: str, name: str) -> str:
    """Remove a value; `/f` so that it never asks."""
    return line(f"reg delete {_key(key)} /v {quoted(name)} /f")


def delete_key(key: str) -> str:
    """Remove a key with all that is in it. Look into it first."""
    return line(f"reg delete {_key(key)} /f")


def ancestors(key: str) -> list[str]:
    r"""The key and the keys above it, deepest first, without the hive and its first level.

    >>> ancestors(r"HKLM\SOFTWARE\A\B")
    ['HKLM\\SOFTWARE\\A\\B', 'HKLM\\SOFTWARE\\A']
    """
    parts = key.split("\\")
    return ["\\".join(parts[:depth]) for depth in range(len(parts), 2, -1)]


def values(rows: Iterable[str]) -> dict[str, RegistryValue]:
    """The values in an answer, by lower-cased name. Rows that are no value are passed over."""
    found: dict[str, RegistryValue] = {}
    for row in rows:
        if match := _ROW.match(row):
            value = _value(match["type"], match["data"] or "")
            if value is not None:
                found[match["name"].lower()] = value
    return found


def answers(rows: Sequence[str], names: Iterable[str]) -> dict[str, RegistryValue | None]:
    """What `query_many` answered, by name as asked: a value, or None for `[NAME]`.

    A name that has not exactly one answer is left out: ask for it alone. So are all names when
    there is a row of another kind, such as the message of a missing program.
    """
    names = list(names)
    known = {f"[{name}]".lower() for name in names}
    if any(row.strip() and not _ROW.match(row) and row.lower() not in known for row in rows):
        return {}
    found = values(rows)
    counts = [match["name"].lower() for row in rows if (match := _ROW.match(row))]
    absent = [row[1:-1].lower() for row in rows if row.startswith("[") and row.endswith("]")]
    given: dict[str, RegistryValue | None] = {}
    for name in names:
        low = name.lower()
        if counts.count(low) == 1 and low not in absent and low in found:
            given[name] = found[low]
        elif absent.count(low) == 1 and low not in counts:
            given[name] = None
    return given


def is_empty(rows: Iterable[str], key: str) -> bool:
    """Whether `list_key` showed neither values nor keys; its own name alone is neither."""
    _, _, path = key.partition("\\")
    own = f"\\{path}".lower()
    shown = [row.strip().lower() for row in rows if row.strip()]
    return all(row.endswith(own) and row.startswith("hkey_") for row in shown)


def _key(key: str) -> str:
    # Always quoted: a missing quote would make the rest of the line part of the key.
    return quoted(key) if quoted(key).startswith('"') else f'"{key}"'


def _data(value: RegistryValue) -> str:
    match value.data:
        case int(number):
            # Slow consoles lose equal neighbours: 4294967295 is typed faster than 0xffffffff.
            forms = [hex(number), str(number)]
            return min(forms, key=lambda text: sum(a == b for a, b in pairwise(text)))
        case bytes(raw):
            return raw.hex() or '""'
        case str(text):
            return quoted(text) if text else '""'
        case items:
            if any(not item or "\\0" in item for item in items):
                raise UnsafeStep(
                    f"REG_MULTI_SZ {list(items)!r} cannot be typed: an empty text ends it",
                    remedy="Nothing was typed. Set this value another way, e.g. by a .reg file.",
                )
            return quoted("\\0".join(items)) if items else '""'


def _value(kind: str, text: str) -> RegistryValue | None:
    """A typed value out of reg.exe's text; None for a type that we do not know."""
    try:
        match kind:
            case "REG_DWORD" | "REG_QWORD":
                return RegistryValue(RegistryType(kind), int(text.strip(), 16))
            case "REG_BINARY" | "REG_NONE":
                return RegistryValue(RegistryType(kind), bytes.fromhex(text))
            case "REG_MULTI_SZ":
                items = text.removesuffix("\\0").split("\\0") if text else []
                return RegistryValue(RegistryType.MULTI_SZ, tuple(items))
            case _:
                return RegistryValue(RegistryType(kind), text)
    except ValueError:
        return None
