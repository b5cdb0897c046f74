"""Which commands of an article are for the disk of a VM that is switched off, and whether they say
the same as the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serialfix.playbook import known
from serialfix.playbook.article import Article, Command
from serialfix.playbook.commandline import plain
from serialfix.playbook.wanted import Wanted


_OFFLINE = re.compile(
    r"""(?ix) \b(?:HKLM|HKU|HKEY_\w+):?\\\w*(?:broken|repair|offline)\w* | \breg\s+(?:load|unload)\b
    | (?<![:\w])HK\w+:?\\(?!SYSTEM\\)\w+\\ControlSet00 | /store\s | /image:
    | /offwindir | /offbootdir
    | (?<![\w:/"'])["']?(?:[D-Z]|<[^<>]*>|<<[^<>]*>):(?=\\|\s+/|\s*$|EFI|\s+boot)
    | (?<=wim:)[A-Z]: | \bmanage-bde\b """
)
_ONLINE = re.compile(
    r"(?i)\bCurrentControlSet\b|\bHK(?:LM|EY_LOCAL_MACHINE):?\\(?:SYSTEM|SOFTWARE)\\"
)


def marked(text: str) -> bool | None:
    """True: for an attached disk. False: for the running guest. None: it may be either."""
    text = plain(text)
    if _OFFLINE.search(text):
        return True
    return False if _ONLINE.search(text) else None


class Sides:
    """The side that each command of an article is on.

    A command that may be for either is on the side of those in its block, before it in its section,
    in its section, or in the sections above.
    """

    def __init__(self, article: Article) -> None:
        self.article = article
        self.marks = [(each, marked(each.text)) for each in article.commands]

    def offline(self, command: Command) -> bool:
        if (own := marked(command.text)) is not None:
            return own
        here = [
            (each, mark)
            for each, mark in self.marks
            if mark is not None and each.section == command.section
        ]
        block = [mark for each, mark in here if each.block == command.block]
        before = [mark for each, mark in here if each.line <= command.line]
        for marks in (block[:1], before[-1:], [mark for _, mark in here][:1]):
            if marks:
                return bool(marks[0])
        return self._above(command)

    def _above(self, command: Command) -> bool:
        """A section without any mark belongs to the one that it stands in."""
        headings, section = self.article.headings, command.section
        while section >= 0:
            above = headings[section].above
            if above < 0:
                return False
            within = [
                mark
                for each, mark in self.marks
                if mark is not None
                and each.line < command.line
                and self._under(each.section, above)
            ]
            if within and headings[above].level > 1:
                return bool(within[-1])
            section = above
        return False

    def _under(self, section: int, above: int) -> bool:
        while section > above:
            section = self.article.headings[section].above
        return section == above


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of which the two parts of an article say different things."""

    key: str
    value: str
    said: str

    def __str__(self) -> str:
        return f"{self.value}: {self.said} ({self.key})"


def differences(
    online: Iterable[Wanted], offline: Iterable[tuple[Wanted, str]]
) -> Iterator[Difference]:
    """Where the offline part says something else, or less, than the online part."""
    wanted = {_end(each): each.body for each in values_of(online)}
    found: dict[tuple[str, str], dict[str, object]] = {}
    sets: dict[tuple[str, str], set[str]] = {}
    names: dict[tuple[str, str], tuple[str, str]] = {}
    for each, text in offline:
        end = _end(each)
        names[end] = (known.online(each.body["key"]), str(each.body["value"]))
        number = known.CONTROL_SET.search(text)
        sets.setdefault(end, set()).add(number[0][-1] if number else "")
        if end in found and found[end].get("data") != each.body.get("data"):
            yield Difference(*names[end], "the control sets get different data")
        found.setdefault(end, each.body)
    every = {number for each in sets.values() for number in each if number}
    for end, body in found.items():
        if end not in wanted:
            yield Difference(*names[end], f"only offline, {_shown(body)}")
        elif _shown(body).lower() != _shown(wanted[end]).lower():
            yield Difference(*names[end], f"{_shown(body)} offline, {_shown(wanted[end])} online")
        if sets[end] != {""} and (missing := every - sets[end]):
            missed = ", ".join(f"ControlSet00{each}" for each in sorted(missing))
            yield Difference(*names[end], f"not in {missed}")
    for end, body in wanted.items():
        if end not in found:
            yield Difference(str(body["key"]), str(body["value"]), "only online")


_STARTS = {"auto": 2, "delayed-auto": 2, "demand": 3, "disabled": 4}
_TYPES = {"own": 16, "share": 32}


def values_of(online: Iterable[Wanted]) -> Iterator[Wanted]:
    """Steps as the registry values that they amount to; those of a service stand in its key."""
    for each in online:
        if each.kind == "registry":
            yield each
        if each.kind != "service":
            continue
        key = f"{known.SERVICES}\\{each.body['name']}"
        values = {
            "Start": ("REG_DWORD", _STARTS.get(each.body.get("start", ""))),
            "Type": ("REG_DWORD", _TYPES.get(each.body.get("type", ""))),
            "ObjectName": ("REG_SZ", each.body.get("account")),
        }
        for value, (kind, data) in values.items():
            if data is not None:
                body = {"key": key, "value": value, "type": kind, "data": data}
                yield Wanted("registry", body, value)


def _end(wanted: Wanted) -> tuple[str, str]:
    return known.online(wanted.body["key"]).lower(), str(wanted.body["value"]).lower()


def _shown(body: dict[str, object]) -> str:
    if body.get("state") == "absent":
        return "absent"
    return f"{body.get('type')} {body.get('data')}"
