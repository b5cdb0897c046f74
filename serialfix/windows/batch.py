"""Lines of batch files: quoting, registry values, and the questions that a batch file can ask.

Only constructs that mean the same in every cmd.exe, Wine's included (docs/lab.md): no `&&`, no
`||`, no %ERRORLEVEL% in the line that sets it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import count

from serialfix.errors import UnsafeStep
from serialfix.model import RegistryValue
from serialfix.windows.registry import data_text


LIMIT = 8000
"""Below cmd.exe's 8,191 characters for a line."""
_ACTED_ON = re.compile(r'[()!^"<>&|]')
_TWICE = frozenset("\"%^!'`")
"""What a second cmd.exe, which runs what `for /f` reads, would act on."""
_LETTER = "\u00e4"
_COMPARABLE = re.compile(r"[A-Za-z0-9_.:\\ /-]*")


def quoted(text: str) -> str:
    r"""The text as one argument of a Windows program, in a batch file.

    >>> print(quoted("Terminal Server"), quoted("%SystemRoot%\\"), quoted('5" & 6'))
    "Terminal Server" "%%SystemRoot%%\\" ^"5\^" ^& 6^"

    Within double quotes only `%` means something to cmd.exe; a text that holds a double quote is
    escaped by carets instead. Backslashes before a quote are doubled for the program's C runtime.
    """
    argument = re.sub(r'(\\*)"', r'\1\1\\"', text)
    slashes = len(argument) - len(argument.rstrip("\\"))
    argument = f'"{argument}{argument[len(argument) - slashes :]}"'
    if '"' in text:
        argument = _ACTED_ON.sub(r"^\g<0>", argument)
    return argument.replace("%", "%%")


def add(key: str, name: str, value: RegistryValue) -> str:
    """`reg add`, which makes the key, too."""
    text = data_text(value)
    data = text if text.isalnum() and text.isascii() else quoted(text)
    return checked(f"reg add {quoted(key)} /v {quoted(name)} /t {value.type} /d {data} /f")


def delete(key: str, name: str) -> str:
    """`reg delete` of a value."""
    return checked(f"reg delete {quoted(key)} /v {quoted(name)} /f")


def there(key: str, name: str) -> str:
    """Exit code 0 when a value is there, 1 when not; prints nothing."""
    return checked(f"reg query {quoted(key)} /v {quoted(name)} >nul 2>nul")


def checked(line: str) -> str:
    """The line. Raises UnsafeStep when cmd.exe would cut it off."""
    if len(line) > LIMIT:
        raise UnsafeStep(f"a line of {len(line)} characters is too long for cmd.exe: {line[:60]}…")
    return line


def comment(text: str) -> str:
    """A remark on one line, in ASCII; what cmd.exe would act on even there is left out."""
    return "rem " + _plain(text, r"[%^&|<>\s]+")


def says(text: str) -> str:
    """An `echo` of a plain text, in ASCII: no code page matters for it."""
    return "echo " + _plain(text, r'[%^&|<>()!"\s]+')


def _plain(text: str, without: str) -> str:
    return re.sub(without, " ", text).strip().encode("ascii", "replace").decode()


class Labels:
    """Names for places to jump to."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, what: str) -> str:
        """A label that no other is equal to."""
        return f"{what}_{next(self._numbers)}"


def among(
    key: str, name: str, values: Sequence[RegistryValue | int | str | None], variable: str
) -> list[str]:
    """Lines that set a variable to 1 when a value has one of these data (None: is not there), and
    else leave it undefined.

    What the registry holds is compared within `for`, so that cmd.exe never acts on it. Raises
    UnsafeStep for what cannot be compared so: the line goes through a second cmd.exe.
    """
    if found := _TWICE.intersection(key + name):
        raise UnsafeStep(f"a batch file cannot ask for {key}, {name}: it holds {min(found)}")
    words = [word for value in values if (word := _word(value))]
    shift = len(name.split()) + 1  # names with blanks are several tokens
    ask = f'reg query {quoted(key)} /v {quoted(name)} 2^>nul ^| find "    REG_"'
    absent = None in values
    lines = [
        f'set "{variable}="',
        *(['set "present="'] if absent else []),
        f"for /f \"tokens={shift},*\" %%a in ('{ask}') do (",
        *(['    set "present=1"'] if absent else []),
        *(f'    if /i "{token}"=="{word}" set "{variable}=1"' for token, word in words),
        ")",
    ]
    if absent:
        lines.append(f'if not defined present set "{variable}=1"')
    return [checked(line) for line in lines]


def _word(value: RegistryValue | int | str | None) -> tuple[str, str] | None:
    """What `reg query` prints is compared with: the data, or for a value its type as well."""
    if value is None:
        return None
    data = value.data if isinstance(value, RegistryValue) else value
    text = hex(data) if isinstance(data, int) else str(data)
    if not isinstance(data, int | str) or not _COMPARABLE.fullmatch(text):
        raise UnsafeStep(f"a batch file cannot compare {text!r}", remedy="Leave the step out.")
    if isinstance(value, RegistryValue):
        return "%%a %%b", f"{value.type} {text}"
    return "%%b", text


def in_utf8() -> list[str]:
    """Lines that have cmd.exe read what follows as UTF-8, or go to `failed` where it does not.

    A letter that is read as two would make other names than those that are meant: no message
    would tell.
    """
    return [
        "chcp 65001 >nul",
        f'set "letter={_LETTER}"',
        'if not "%letter:~1%"=="" goto failed',
    ]


def joined(lines: Iterable[str]) -> str:
    """A batch file: each line ends with CR LF, without which cmd.exe loses labels."""
    return "".join(f"{line}\r\n" for line in lines)
