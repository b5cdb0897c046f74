"""reg.exe: the lines that are typed, and typed values out of its answers.

Answers are judged by exit code and by `NAME  REG_TYPE  data` rows, whose type names and layout are
the same in every language (sac.md §9). Names that exist are typed with alternating case, names that
would be created as they are published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

from wcwidth import wcwidth

from serialfix.console.screen import COLUMNS
from serialfix.errors import UnsafeStep
from serialfix.model import RegistryType, RegistryValue
from serialfix.windows.paging import readings
from serialfix.windows.shell import LINE_LIMIT, alike, line, quoted


ABSENT = 1
"""The exit code for a missing key or value (sac.md §9)."""
BATCH = 13
"""Values asked for in one line: the line takes up to 7 rows, each answer one, the screen has 24."""
PARTED = "\\0"
"""What reg.exe prints between several texts."""
_TYPED = re.compile(r"(?P<type>REG_[A-Z_]+)(?:    (?P<data>.*))?")
_ROW = re.compile(rf"^    (?P<name>\S.*?)    {_TYPED.pattern}$")
_BATCHABLE = re.compile(r"[A-Za-z0-9_]+")


def typed_key(key: str) -> str:
    r"""An existing key as one argument.

    >>> typed_key(r"HKLM\SYSTEM\CurrentControlSet")
    '"HKLM\\SYSTEM\\CurRentControlSet"'
    """
    return _key(alike(key))


def query(key: str, name: str) -> str:
    """Ask for one value: exit code 0 and a row, or 1 when there is none."""
    return line(f"reg query {typed_key(key)} /v {quoted(alike(name))}")


def query_many(key: str, names: Sequence[str]) -> str:
    """Ask for up to BATCH values in one line; each answers with its row, or with `[NAME]`.

    `find` leaves out blank rows and the key's name, and gives 1 when nothing was found;
    `if errorlevel` is evaluated when it is reached, unlike %ERRORLEVEL%.
    """
    names = " ".join(map(alike, names))
    return line(
        f'for %v in ({names}) do @(reg query {typed_key(key)} /v %v 2>nul | find "REG_" '
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


def query_exactly(key: str, name: str) -> str | None:
    """Ask for one value, with `]` behind each row of the answer: so blanks at its end show, and `.`
    before it: a tab takes another number of cells there.

    None where a second cmd.exe, which runs what `for /f` reads, would read the line otherwise, and
    where the line is too long.
    """
    if set(key + name) & set("\"%^!'`") or name.endswith("\\"):
        return None
    asked = f'reg query "{alike(key)}" /v "{alike(name)}"'
    text = f"for /f \"delims=\" %a in ('{asked}') do @echo .%a]"
    return line(text) if len(text) <= LINE_LIMIT else None


def key_exists(key: str) -> str:
    """Exit code 0 when the key is there, 1 when not; prints nothing."""
    return line(f"reg query {typed_key(key)} >nul 2>nul")


def value_exists(key: str, name: str) -> str:
    """Exit code 0 when the value is there, 1 when not; prints nothing, however long it is."""
    return line(f"reg query {typed_key(key)} /v {quoted(alike(name))} >nul 2>nul")


def export(key: str, file: str) -> str:
    """Write a key to a file in the guest; `/y` so that it never asks. The file's name is expanded
    by cmd.exe, and is given last: a file that reg.exe began and could not end has another one."""
    part, name = f"{file}.part", file.rpartition("\\")[2]
    return line(
        f'reg export {typed_key(key)} "{part}" /y & if not eRrorlevel 1 ren "{part}" {name}'
    )


def import_file(file: str) -> str:
    """Write what an export holds, then give the file its `imported` name; exit code 1 when either
    fails, because `if` leaves the exit code alone."""
    done = imported(file).rpartition("\\")[2]
    return line(f'reg import "{file}" & if not eRrorlevel 1 ren "{file}" {done}')


def imported(file: str) -> str:
    r"""The name of an export that was imported.

    >>> imported(r"%SystemRoot%\Temp\a.reg")
    '%SystemRoot%\\Temp\\a.done'
    """
    return f"{file.removesuffix('.reg')}.done"


def list_key(key: str) -> str:
    """The values and keys in a key; prints nothing for an empty one."""
    return line(f"reg query {typed_key(key)}")


def add(key: str, name: str, value: RegistryValue, *, known: bool = False) -> str:
    """Write a value; `/f` so that it never asks. What is not `known` to exist is created as it is
    spelled here."""
    path, named = (typed_key(key), alike(name)) if known else (_key(key), name)
    return line(f"reg adD {path} /v {quoted(named)} /t {value.type} /d {_data(value)} /f")


def delete(key: str, name: str) -> str:
    """Remove a value; `/f` so that it never asks."""
    return line(f"reg delete {typed_key(key)} /v {quoted(alike(name))} /f")


def delete_key(key: str) -> str:
    """Remove a key with all that is in it. Look into it first."""
    return line(f"reg delete {typed_key(key)} /f")


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
            value = parsed(match["type"], match["data"] or "")
            if value is not None:
                found[match["name"].lower()] = value
    return found


def row_of(rows: Iterable[str], name: str) -> tuple[str, str] | None:
    """Type and data, as printed, of the value with this name; None without a row, or with two."""
    end = len(f"    {name}    ")
    found = [
        match
        for row in rows
        if _names(row, name) and (match := _TYPED.fullmatch(row[end:])) is not None
    ]
    return (found[0]["type"], found[0]["data"] or "") if len(found) == 1 else None


def _names(row: str, name: str) -> bool:
    start = f"    {name}    "
    return row[: len(start)].lower() == start.lower()


def _begins(row: str, name: str) -> bool:
    """As `_names`, where the name may be longer than the row."""
    start = f"    {name}    "[: len(row)]
    return bool(row.strip()) and row[: len(start)].lower() == start.lower()


def value_of(rows: Iterable[str], name: str) -> RegistryValue | None:
    """The value with this name in an answer; None when it is not there, or not clearly."""
    found = row_of(rows, name)
    return parsed(*found) if found else None


def shown(rows: Sequence[str], name: str, *, filled: bool = False) -> list[RegistryValue]:
    """What rows of the screen may mean as the value with this name, blanks at its end left out.

    A text goes on over the rows down to the next blank one; behind it stand reg.exe's blank row
    and that of the prompt. More of them are line ends of the text, which is not read then; or the
    answer filled its last row to the end, and the console went on in the next at once. With
    `filled` that is taken for it; ask in another way whether it is.
    """
    top = next((at for at, row in enumerate(rows) if _begins(row, name)), len(rows))
    part = list(takewhile(str.strip, rows[top:]))
    behind = len(rows) - top - len(part)
    full = filled and bool(part) and sum(map(wcwidth, part[-1])) == COLUMNS
    more = behind > (3 if full else 2)
    values = (value_of([text.rstrip(" ")], name) for text in readings(part))
    return [
        value
        for value in values
        if value is not None and not (more and isinstance(value.data, str | tuple))
    ]


def ends_its_line(rows: Sequence[str], name: str) -> bool:
    """Whether nothing but reg.exe's own blank line stands behind a value in a whole output."""
    at = next((at for at, row in enumerate(rows) if _names(row, name)), len(rows))
    return list(rows[at + 1 :]) in ([], [""])


def text_of(value: RegistryValue) -> str:
    """The data of a text or of several, as reg.exe prints it."""
    return PARTED.join(value.data) if isinstance(value.data, tuple) else str(value.data)


def exact(seen: str, piped: str) -> str | None:
    r"""A text with the blanks at its end, from two answers: as shown on the screen, where they
    cannot be seen, and as piped, where characters that the OEM code page lacks are lost.

    None when the two are not the same text.

    >>> exact("Größe 東", "Gr??e ?  "), exact("a", "b")
    ('Größe 東  ', None)
    """
    body, end = piped.rstrip(" "), piped[len(piped.rstrip(" ")) :]
    same = len(body) == len(seen) and all(
        one == other or not one.isascii() for one, other in zip(seen, body, strict=True)
    )
    return seen + end if same else None


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
    typed = quoted(key)
    return typed if '"' in typed else f'"{typed}"'


def _data(value: RegistryValue) -> str:
    match value.data:
        case int(number):
            return min(map(quoted, (hex(number), str(number))), key=len)
        case bytes(raw) if value.type is not RegistryType.NONE:
            return quoted(alike(raw.hex()))
        case _:
            return quoted(data_text(value))


def data_text(value: RegistryValue) -> str:
    """The data as reg.exe takes it behind /d, before it is quoted. Raises UnsafeStep."""
    match value.data:
        case int(number):
            return str(number) if number < 1 << 31 else hex(number)
        case bytes(raw):
            return _text_of_none(raw) if value.type is RegistryType.NONE else raw.hex()
        case str(text):
            return text
        case items:
            if any(not item or "\\0" in item for item in items):
                raise UnsafeStep(
                    f"REG_MULTI_SZ {list(items)!r} cannot be typed: an empty text ends it",
                    remedy="Nothing was typed. Set this value another way, e.g. by a .reg file.",
                )
            return "\\0".join(items)


def _text_of_none(raw: bytes) -> str:
    """`reg add /t REG_NONE` stores a text with its end, as the conformance tests of sac.md [WINE]
    hold; other bytes cannot be typed."""
    text = raw.decode("utf-16-le", "replace")
    if not text.endswith("\0") or text.encode("utf-16-le") != raw or "\0" in text[:-1]:
        raise UnsafeStep(
            f"REG_NONE {raw.hex()} cannot be typed: reg.exe writes texts of this type",
            remedy="Nothing was typed. Set this value another way, e.g. by a .reg file.",
        )
    return text[:-1]


def parsed(kind: str, text: str) -> RegistryValue | None:
    """A typed value out of reg.exe's text; None for a type that we do not know."""
    try:
        match kind:
            case "REG_DWORD" | "REG_QWORD":
                return RegistryValue(RegistryType(kind), int(text.strip(), 16))
            case "REG_BINARY" | "REG_NONE":
                return RegistryValue(RegistryType(kind), bytes.fromhex(text))
            case "REG_MULTI_SZ":
                items = text.removesuffix(PARTED).split(PARTED) if text else []
                return RegistryValue(RegistryType.MULTI_SZ, tuple(items))
            case _:
                return RegistryValue(RegistryType(kind), text)
    except ValueError:
        return None
