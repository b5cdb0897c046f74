"""What a lint rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from serialfix.playbook.commandline import CommandLine, Shell


class Severity(StrEnum):
    """`error`: it goes wrong, or cannot be run. `warning`: it may. `note`: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Hit:
    """A defect between two places of a text, and what stands there when it is repaired."""

    start: int
    end: int
    message: str
    fix: str | None = None


LineCheck = Callable[[CommandLine], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One known defect of documents.

    `bad` is a line, or a piece of a playbook, that has it; `good` the same without it. `fixed` says
    that `--fix` makes the one into the other.
    """

    id: str
    name: str
    severity: Severity
    title: str
    why: str
    bad: str
    good: str = ""
    fixed: bool = False
    reader: Shell = "cmd"
    """The shell that the examples are for."""
    check: LineCheck | None = None
    """For rules about single command lines."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect at its place in a file; `fix` is what replaces `width` characters there, or at
    `fix_at`."""

    rule: Rule
    line: int
    column: int
    message: str
    width: int = 0
    fix: str | None = None
    fix_at: tuple[int, int] | None = None
