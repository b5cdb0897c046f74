"""serialfix playbook lint: numbered rules over playbooks, lists of commands, and articles.

A rule's number stays what it is. Findings name file, line and column; `fixed` repairs the text at
these places and leaves all else as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from serialfix.errors import PlaybookError
from serialfix.playbook.article import Command, read_article
from serialfix.playbook.commandline import (
    PROMPT,
    CommandLine,
    Part,
    Shell,
    is_command,
    plain,
    written_for,
)
from serialfix.playbook.lint_lines import LINE_RULES, hits
from serialfix.playbook.lint_lists import LIST_RULES, list_findings
from serialfix.playbook.lint_steps import FORMAT, PlaybookLint
from serialfix.playbook.lint_steps import RULES as STEP_RULES
from serialfix.playbook.load import parse_document, parse_playbook
from serialfix.playbook.rules import Finding, Rule, Severity


Kind = Literal["playbook", "batch", "commands", "powershell", "article"]

RULES: tuple[Rule, ...] = tuple(
    sorted((*STEP_RULES, *LINE_RULES, *LIST_RULES), key=lambda rule: rule.id)
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("yaml", "yml"), "playbook"),
    **dict.fromkeys(("cmd", "bat"), "batch"),
    **dict.fromkeys(("ps1", "psm1"), "powershell"),
    **dict.fromkeys(("md", "markdown"), "article"),
}
_ROUNDS = 12
"""Repairs make room for repairs: a smart quote hides a blank, a blank a missing switch."""
_PLACE = re.compile(r"^(?:.*?:)?(\d+):(\d+): (.*)$")


def kind_of(file: str, text: str) -> Kind:
    """What a file holds, by its name; a .txt with mostly commands is a list of them."""
    ending = file.lower().rpartition(".")[2]
    if ending in _KINDS:
        return _KINDS[ending]
    rows = [row.strip() for row in text.splitlines() if row.strip()]
    commands = sum(is_command(PROMPT.sub("", row, count=1)) for row in rows)
    return "commands" if commands * 2 > len(rows) else "article"


def rule_named(name: str) -> Rule | None:
    """A rule by its number or name."""
    return next((rule for rule in RULES if name.lower() in (rule.id.lower(), rule.name)), None)


def lint(text: str, *, file: str) -> list[Finding]:
    """All findings in a text, in its order."""
    kind = kind_of(file, text)
    found = list(_playbook(text, file) if kind == "playbook" else _commands(text, kind))
    order = {rule.id: number for number, rule in enumerate(RULES)}
    found.sort(key=lambda each: (each.line, each.column, order[each.rule.id]))
    return list(dict.fromkeys(found))


def _playbook(text: str, file: str) -> Iterator[Finding]:
    try:
        root = parse_document(text, file=file)
    except PlaybookError as error:
        yield from _refused(error, file, set())
        return
    found = list(PlaybookLint(root, text).findings())
    yield from found
    try:
        parse_playbook(text, file=file)
    except PlaybookError as error:
        yield from _refused(error, file, {each.line for each in found if _is_error(each)})


def _is_error(finding: Finding) -> bool:
    return finding.rule.severity is Severity.ERROR


def _refused(error: PlaybookError, file: str, told: set[int]) -> Iterator[Finding]:
    """What the loader says, where no rule has said it already."""
    for row in str(error).splitlines():
        place = _PLACE.match(row.removeprefix(f"{file}:"))
        line, column, message = (int(place[1]), int(place[2]), place[3]) if place else (1, 1, row)
        if line not in told:
            yield Finding(FORMAT, line, column, message.removeprefix(f"{file}: "))


def _commands(text: str, kind: Kind) -> Iterator[Finding]:
    if kind == "article":
        commands = read_article(text).commands
        lines = list(zip(commands, article_shells(commands), strict=True))
    else:
        lines = list(_listed(text, kind))
    seen: list[tuple[Command, CommandLine]] = []
    for command, shell in lines:
        if command.mention:
            continue
        line = CommandLine(command.text, shell, batch=kind == "batch")
        yield from (
            finding
            for finding in _line_findings(command, line)
            if finding.rule.name != "policy-planted" or not _asked_before(line, seen)
        )
        seen.append((command, line))
    yield from list_findings(seen, _labels(text) if kind == "batch" else ())


def _asked_before(line: CommandLine, seen: Sequence[tuple[Command, CommandLine]]) -> bool:
    """Whether a batch file has asked for the very value: it writes it only where it is."""

    def place(part: Part) -> tuple[str, str]:
        name = part.value("/v")
        return part.words[2].low, name.low if name else ""

    wanted = [place(part) for part in line.parts if len(part.words) > 2]
    return line.batch and any(
        part.program == "reg" and part.verb == "query" and place(part) in wanted
        for _, before in seen
        for part in before.parts
        if len(part.words) > 2
    )


def _labels(text: str) -> list[int]:
    """The lines of a batch file that it jumps to, or calls."""
    rows = enumerate(text.splitlines(), 1)
    return [number for number, row in rows if re.match(r"\s*:[^:]", row)]


def _line_findings(command: Command, line: CommandLine) -> Iterator[Finding]:
    for rule, hit in hits(line):
        fix = hit.fix
        if command.rows > 1 or not command.literal or (fix == "\n" and not command.alone):
            fix = None
        if fix == "\n":
            fix += " " * (command.column - 1)
        width = hit.end - hit.start
        yield Finding(rule, command.line, command.column + hit.start, hit.message, width, fix)


def _listed(text: str, kind: Kind) -> Iterator[tuple[Command, Shell]]:
    """The commands of a list, and the shell that each is given to."""
    shell: Shell = "powershell" if kind == "powershell" else "cmd"
    opened = False
    for number, row in enumerate(text.splitlines(), 1):
        body = row.strip()
        if not body or (body.startswith(":") and not body.startswith("::")):
            continue
        indent = len(row) - len(row.lstrip())
        prompt = PROMPT.match(row)
        column = prompt.end() if prompt else indent
        command = Command(row[column:].rstrip(), number, column + 1, 0, 0)
        yield command, "powershell" if opened else shell
        opened = _opens(command.text, opened)


def _opens(text: str, opened: bool) -> bool:
    """Whether PowerShell reads the next line: it was opened by its bare name, and not left."""
    if re.fullmatch(r"(?:powershell|pwsh)(?:\.exe)?", plain(text).strip(), re.IGNORECASE):
        return True
    return opened and plain(text).strip().lower() != "exit"


def article_shells(commands: Sequence[Command]) -> Iterator[Shell]:
    """The shell that each command of an article would be given to.

    That is what its block's label says, or the shell that was opened before in its section; a block
    without a label is for the shell that it is written for.
    """
    opened, section = False, -1
    for command in commands:
        if command.section != section:
            opened, section = False, command.section
        wrote = written_for(command.text)
        yield command.label or ("powershell" if opened else wrote or "cmd")
        opened = _opens(command.text, opened)


def fixed(text: str, *, file: str) -> tuple[str, list[Finding]]:
    """The text with everything repaired that can be repaired safely, and what that was.

    Again and again, until nothing is left to repair; a second call changes nothing.
    """
    done: list[Finding] = []
    if text.startswith("\ufeff"):
        text, done = fixed(text[1:], file=file)
        return "\ufeff" + text, done
    for _ in range(_ROUNDS):
        repairs = [each for each in lint(text, file=file) if each.fix is not None]
        changed, applied = _applied(text, repairs)
        if changed == text:
            break
        if kind_of(file, text) == "playbook" and not _reads(changed, file):
            break
        text = changed
        done += applied
    return text, done


def _reads(text: str, file: str) -> bool:
    try:
        parse_document(text, file=file)
    except PlaybookError:
        return False
    return True


def _applied(text: str, repairs: Iterable[Finding]) -> tuple[str, list[Finding]]:
    """The text with those repairs made that do not overlap; the first of two wins."""
    rows = text.splitlines(keepends=True)
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    newline = "\r\n" if "\r\n" in text else "\n"
    edits: list[tuple[int, int, Finding]] = []
    for each in repairs:
        line, column = each.fix_at or (each.line, each.column)
        start = starts[line - 1] + column - 1
        end = start + each.width
        if all(end < other or start > upto for other, upto, _ in edits):
            edits.append((start, end, each))
    for start, end, each in sorted(edits, key=lambda edit: edit[0], reverse=True):
        text = text[:start] + (each.fix or "").replace("\n", newline) + text[end:]
    return text, [each for _, _, each in edits]


def repaired(text: str, shell: Shell) -> tuple[list[str], list[tuple[Rule, str]]]:
    """One command line with its defects repaired, as one or more lines, and what was repaired."""
    done: list[tuple[Rule, str]] = []
    lines = [text.strip()]
    for _ in range(_ROUNDS):
        before, lines = lines, []
        for each in before:
            found = _line_findings(Command(each, 1, 1, 0, 0), CommandLine(each, shell))
            repairs = [one for one in found if one.fix is not None]
            changed, applied = _applied(each, repairs)
            done += [(one.rule, one.message) for one in applied]
            lines += [part.strip() for part in changed.splitlines() if part.strip()]
        if lines == before:
            break
    return lines, done
