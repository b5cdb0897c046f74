"""A playbook as a .reg file, for `reg import` and regedit: registry values and nothing else.

Version 5 of the format: UTF-16 with a mark, CR LF; numbers other than REG_DWORD and all texts but
REG_SZ as bytes; `"name"=-` removes a value. Nothing in it can be conditional.
"""

from __future__ import annotations

from collections.abc import Iterator

from serialfix.model import RegistryType, RegistryValue
from serialfix.playbook.exporting import LeftOut, Written, heading, restart_note, steps
from serialfix.playbook.schema import Playbook, Step
from serialfix.playbook.steps.registry import RegistryRemovalStep, RegistryStep
from serialfix.playbook.steps.service import ServiceStep
from serialfix.windows import services
from serialfix.windows.stored import NUMBERS, to_bytes


HEAD = "Windows Registry Editor Version 5.00"
_ROOTS = {
    "HKLM": "HKEY_LOCAL_MACHINE",
    "HKU": "HKEY_USERS",
    "HKCR": "HKEY_CLASSES_ROOT",
    "HKCC": "HKEY_CURRENT_CONFIG",
}
_START = {word: number for number, word in services.START.items()}
_TYPE = {word: number for number, word in services.TYPE.items()}
_WIDTH = 80

Entry = tuple[str, str, RegistryValue | None]
"""Key, name, and the value; None removes it."""


def write(playbook: Playbook) -> Written:
    """The text of the file, and what is not in it."""
    left_out: list[LeftOut] = []
    blocks: list[list[str]] = []
    key = ""
    for step in steps(playbook):
        entries = list(_entries(step, left_out))
        if not entries:
            continue
        lines = [_comment(f"{step.id}: {step.why}")]
        for each, name, value in entries:
            if each.casefold() != key.casefold():
                lines += [f"[{full(each)}]"]
                key = each
            lines += _lines(name, value)
        blocks.append(lines)
    notes = [*heading(playbook), restart_note(playbook)]
    notes += [f"NOT IN THIS FILE: {left}" for left in left_out]
    lines = [HEAD, "", *(_comment(note) for note in notes if note)]
    lines += [line for block in blocks for line in ("", *block)]
    return "".join(f"{line}\r\n" for line in (*lines, "")), left_out


def full(key: str) -> str:
    """A key with the whole name of its root, as .reg files have it."""
    root, _, path = key.partition("\\")
    return f"{_ROOTS[root]}\\{path}"


def _entries(step: Step, left_out: list[LeftOut]) -> Iterator[Entry]:
    """What a step comes to; the rest is said."""

    def leave(what: str, reason: str, *, matters: bool = True) -> None:
        left_out.append(LeftOut(step.id, what, reason, matters))

    if step.when is not None:
        leave(step.title, f"a .reg file cannot decide whether {step.when}")
        return
    match step.wish:
        case RegistryStep(only_if_present=True, wanted=wanted) if wanted is not None:
            leave(step.title, "a .reg file cannot see whether the value is there")
        case RegistryStep() as wish:
            yield wish.key, wish.value, wish.wanted
        case RegistryRemovalStep() as wish:
            for name in wish.values:
                yield wish.key, name, None
        case ServiceStep() as wish:
            key = services.config_key(wish.name)
            if wish.start is not None:
                later = wish.start == "delayed-auto"
                yield key, "Start", _dword(_START["auto" if later else wish.start])
                if later:
                    yield key, "DelayedAutostart", _dword(1)
            if wish.account is not None:
                yield key, "ObjectName", RegistryValue(RegistryType.SZ, wish.account)
            if wish.type is not None:
                yield key, "Type", _dword(_TYPE[wish.type])
            if wish.state is not None:
                leave(f"service {wish.name} {wish.state}", "a .reg file starts and stops nothing")
        case _:
            changes = step.wish.changes
            leave(step.title, f"a .reg file cannot carry {step.kind}", matters=changes)


def _dword(number: int) -> RegistryValue:
    return RegistryValue(RegistryType.DWORD, number)


def _lines(name: str, value: RegistryValue | None) -> list[str]:
    r"""One value; long bytes go on behind a backslash, as regedit writes them."""
    left = f'"{_escaped(name)}"='
    if value is None:
        return [f"{left}-"]
    if value.type is RegistryType.DWORD and isinstance(value.data, int):
        return [f"{left}dword:{value.data:08x}"]
    if value.type is RegistryType.SZ:
        return [f'{left}"{_escaped(str(value.data))}"']
    kind = "" if value.type is RegistryType.BINARY else f"({NUMBERS[value.type]:x})"
    lines, line = [], f"{left}hex{kind}:"
    for number, byte in enumerate(to_bytes(value)):
        part = f"{',' if number else ''}{byte:02x}"
        if len(line) + len(part) > _WIDTH - 2:
            lines.append(f"{line},\\")
            line, part = "  ", f"{byte:02x}"
        line += part
    return [*lines, line]


def _comment(text: str) -> str:
    return f"; {' '.join(text.split())}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
