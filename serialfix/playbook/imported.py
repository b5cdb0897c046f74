"""What came of an article: the account of its commands, and the text of the playbook."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from serialfix.playbook.drafts import Draft
from serialfix.playbook.load import LoadedPlaybook
from serialfix.playbook.offline_part import Difference
from serialfix.playbook.rules import Rule
from serialfix.printable import printable


class Fate(StrEnum):
    """What became of a command."""

    STEP = "step"
    OFFLINE = "offline"
    NO_STEP = "no step"
    UNKNOWN = "not understood"


@dataclass(slots=True)
class Entry:
    """A command of the article, and what became of it; `note` is a step's id, or the reason."""

    line: int
    text: str
    fate: Fate
    note: str = ""
    draft: Draft | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """A defect of the article that was repaired."""

    line: int
    rule: Rule | None
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A playbook made of an article, and the account of everything that stood there."""

    text: str
    playbook: LoadedPlaybook
    entries: tuple[Entry, ...]
    repairs: tuple[Repair, ...]
    differences: tuple[Difference, ...]
    compared: str
    """What came of holding the offline part against the other."""

    @property
    def unknown(self) -> list[Entry]:
        """What was not understood."""
        return [entry for entry in self.entries if entry.fate is Fate.UNKNOWN]


_LONGEST = 300
_WIDTH = 96
_HEAD = (
    "# yaml-language-server: $schema=schema/playbook-v1.json\n# $schema: schema/playbook-v1.json\n"
)


def one_line(text: str) -> str:
    """A text of the article as one sentence, not too long, with nothing in it that hides."""
    text = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def written(data: Mapping[str, Any], entries: Sequence[Entry], source: str) -> str:
    """The playbook's text, with what has no step as comments at its end."""
    body = "".join(dumped({key: value}) for key, value in data.items() if value not in ([], {}))
    return _HEAD + body + "".join(f"# {row}\n" for row in _left(entries, source))


def description(title: str, source: str, repairs: Iterable[Repair], offline: Iterable[str]) -> str:
    """What the playbook was made of, and how it differs from that."""
    rows = [f"Imported from {source}: {title}", ""]
    done = list(repairs)
    rows.append("Repaired against the article:" if done else "Nothing had to be repaired.")
    rows += [f"- {what} ({lines})" for what, lines, _ in grouped(done)]
    if said := list(offline):
        rows += ["", f"The article's offline part, corrected, {said[0]}"]
        rows += [f"- {each}" for each in said[1:]]
    return "".join(f"{_wrapped(row)}\n" for row in rows)


def grouped(repairs: Iterable[Repair]) -> Iterator[tuple[str, str, int]]:
    """What was repaired, rule by rule: its title, the lines, and how often."""
    lines: dict[str, list[int]] = {}
    for repair in repairs:
        name = f"{repair.rule.id} {repair.rule.title}" if repair.rule else repair.message
        lines.setdefault(name, []).append(repair.line)
    for name, where in lines.items():
        yield name, _lines(where), len(where)


def _left(entries: Sequence[Entry], source: str) -> Iterator[str]:
    offline = [entry.line for entry in entries if entry.fate is Fate.OFFLINE]
    if offline:
        yield f"Offline part of {source}, for a disk that is attached elsewhere:"
        yield from _wrapped(f"  {_lines(offline)}").splitlines()
    unknown = [entry for entry in entries if entry.fate is Fate.UNKNOWN]
    if unknown:
        yield f"Not understood, by line of {source}:"
    for entry in unknown:
        yield f"  {entry.line}: {printable(entry.text)}"
        yield f"      {printable(entry.note)}"


def _lines(lines: Iterable[int]) -> str:
    """`lines 3-5, 9`."""
    runs: list[list[int]] = []
    for line in sorted(set(lines)):
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    said = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"line{'s' if len(runs) > 1 or len(runs[0]) > 1 else ''} {said}"


def _wrapped(row: str) -> str:
    return textwrap.fill(
        row, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


class _Dumper(yaml.SafeDumper):
    """Lists stand further in than their key; texts of several lines stand as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_text(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def dumped(data: Mapping[str, Any]) -> str:
    """Data as YAML."""
    return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
