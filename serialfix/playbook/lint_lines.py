"""All rules for single command lines, and what they find in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from serialfix.playbook import lint_effects, lint_shell, lint_text
from serialfix.playbook.commandline import CommandLine, Shell, written_for
from serialfix.playbook.rules import Hit, Rule


LINE_RULES: tuple[Rule, ...] = (
    *lint_text.RULES,
    *lint_shell.RULES,
    *lint_effects.RULES,
)
_AS_GIVEN = ("powershell-in-cmd", "comment")
"""Rules about the shell that a line is given to, whatever it is written for."""
_LETTERS = ("unclosed-quote", "look-alike", "invisible")
"""What is repaired first where a quote is open: until then nobody knows where a word ends."""


def read_by(text: str, shell: Shell) -> Shell:
    """The shell whose rules hold for a line: PowerShell's for what is PowerShell beyond doubt."""
    return "powershell" if written_for(text) == "powershell" else shell


def hits(line: CommandLine) -> list[tuple[Rule, Hit]]:
    """What is wrong with a line, rule by rule."""
    found = list(_hits(line))
    if any(rule.name == "unclosed-quote" for rule, _ in found):
        return [
            (rule, hit if rule.name in _LETTERS else replace(hit, fix=None)) for rule, hit in found
        ]
    return found


def _hits(line: CommandLine) -> Iterator[tuple[Rule, Hit]]:
    read = replace(line, shell=read_by(line.text, line.shell))
    for rule in LINE_RULES:
        assert rule.check is not None  # noqa: S101 - they are rules for lines
        if line.comment and rule.name != "comment":
            continue
        for hit in rule.check(line if rule.name in _AS_GIVEN else read):
            yield rule, hit
