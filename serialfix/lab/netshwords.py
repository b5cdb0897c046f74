"""How netsh reads a line: `name="Some thing"` is a field, and what it says to a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from serialfix.lab.shell import Call

Fields = dict[str, str]


def split_fields(words: list[str]) -> tuple[Fields, list[str]]:
    """`name=value` by lower-case name, and the words that are none."""
    fields: Fields = {}
    rest: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name:
            fields[name.lower()] = value
        else:
            rest.append(word)
    return fields, rest


def named_fields(words: list[str], names: tuple[str, ...]) -> Fields:
    """The same, where words without a name take the names that are left, in their order."""
    fields, rest = split_fields(words)
    given = iter(rest)
    for name in names:
        if name not in fields and (word := next(given, None)) is not None:
            fields[name] = word
    return fields


def usage(call: Call) -> int:
    """The syntax is wrong."""
    call.say(f"\r\n{call.text('netsh.syntax')}\r\n")
    return 1
