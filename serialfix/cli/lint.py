"""playbook lint: the known defects of playbooks, command lists and articles."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serialfix.cli import options as o
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.playbook.rules import Finding


_LARGEST, _LONGEST = 1024 * 1024, 16 * 1024
"""Bytes of a file, and characters of a line, that are read; cmd.exe takes lines of 8,191."""
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE|NAME]...",
        help="Playbooks, command lists (.cmd, .bat, .ps1, .txt), articles (.md);"
        " none: all playbooks that can be named.",
        autocompletion=o.playbook_names,
    ),
]
Fix = Annotated[bool, o.option("--fix", help="Repair what can be repaired safely, in the files.")]
Rules = Annotated[bool, typer.Option("--rules", help="List the rules.")]
Explain = Annotated[
    str | None, typer.Option("--explain", metavar="RULE", help="Explain a rule, such as SF010.")
]


def lint(
    files: Files = None,
    fix: Fix = False,
    rules: Rules = False,
    explain: Explain = None,
    output: o.Output = OutputFormat.TABLE,
) -> int:
    """Tell the known defects of playbooks, command lists and articles.

    Exit code 2 when there is an error; warnings and notes are told.
    """
    if rules:
        return _list(output)
    if explain is not None:
        return _explain(explain)
    from serialfix.playbook.lint import fixed
    from serialfix.playbook.lint import lint as find
    from serialfix.playbook.rules import Severity
    from serialfix.report import machine

    rows = []
    for path in _paths(files or []):
        text = read_text(path)
        if fix:
            changed, done = fixed(text, file=str(path))
            if changed != text:
                write_text(path, changed)
            if output is OutputFormat.TABLE:
                _print(path, done, word="repaired")
            text = changed
        found = find(text, file=str(path))
        rows += [_row(path, each) for each in found]
        if output is OutputFormat.TABLE:
            _print(path, found)
    counts = {word: sum(row["severity"] == word for row in rows) for word in Severity}
    if output is OutputFormat.TABLE:
        said = ", ".join(f"{n} {word}{'s' * (n != 1)}" for word, n in counts.items() if n)
        print(said or "Nothing to say.", file=sys.stderr)
    machine.write(rows, output, rows=rows)
    return 2 if counts[Severity.ERROR] else 0


def _paths(names: list[str]) -> Iterable[Path]:
    from serialfix.errors import PlaybookError
    from serialfix.playbook.library import playbook_files

    known = playbook_files(os.environ)
    if not names:
        return known.values()
    found = []
    for name in names:
        if name in known:
            found.append(known[name])
        elif Path(name).is_file():
            found.append(Path(name))
        else:
            raise PlaybookError(
                f"{name!r} is neither a file nor a playbook",
                remedy="See `serialfix playbook list`, or give the path of a file.",
            )
    return found


def read_text(path: Path) -> str:
    """The text as it is, with its line ends. Raises PlaybookError for what no person has written:
    the rules look at each word of a line, and would do so for hours."""
    from serialfix.errors import PlaybookError

    try:
        content = path.read_bytes()
        if len(content) > _LARGEST:
            raise PlaybookError(
                f"larger than {_LARGEST // 1024} KiB: no list of commands and no article",
                file=str(path),
                remedy="Give the part of it that has the commands.",
            )
        text = content.decode("utf-8")
    except OSError as error:
        raise PlaybookError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PlaybookError(
            "not UTF-8", file=str(path), line=line, column=1, remedy="Save it as UTF-8."
        ) from error
    for number, row in enumerate(text.splitlines(), 1):
        if len(row) > _LONGEST:
            raise PlaybookError(
                f"a line of {len(row)} characters: no shell takes that, and no person reads it",
                file=str(path),
                line=number,
                column=_LONGEST + 1,
                remedy=f"Break it; {_LONGEST} characters are read.",
            )
    return text


def write_text(path: Path, text: str) -> None:
    from serialfix.errors import PlaybookError

    try:
        path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise PlaybookError(
            f"cannot be written: {error.strerror or error}", file=str(path)
        ) from error


def _print(path: Path, findings: Iterable[Finding], *, word: str = "") -> None:
    for each in findings:
        place = f"{printable(str(path))}:{each.line}:{each.column}"
        print(f"{place}: {each.rule.id} {word or each.rule.severity}: {printable(each.message)}")


def _row(path: Path, each: Finding) -> dict[str, object]:
    return {
        "file": str(path),
        "line": each.line,
        "column": each.column,
        "rule": each.rule.id,
        "name": each.rule.name,
        "severity": str(each.rule.severity),
        "message": each.message,
        "fixable": each.fix is not None,
    }


def _list(output: OutputFormat) -> int:
    from serialfix.playbook.lint import RULES
    from serialfix.report import machine, tables

    rows = [
        {
            "rule": rule.id,
            "name": rule.name,
            "severity": str(rule.severity),
            "fix": rule.fixed,
            "title": rule.title,
        }
        for rule in RULES
    ]
    if output is OutputFormat.TABLE:
        cells = (
            (rule.id, str(rule.severity), "yes" if rule.fixed else "", rule.title) for rule in RULES
        )
        view = tables.grid(("rule", "severity", "--fix", "what it finds"), cells)
        tables.console(sys.stdout).print(view)
    machine.write(rows, output, rows=rows)
    return 0


def _explain(name: str) -> int:
    import textwrap

    from serialfix.errors import PlaybookError
    from serialfix.playbook.lint import rule_named

    rule = rule_named(name)
    if rule is None:
        raise PlaybookError(
            f"there is no rule {name}", remedy="See `serialfix playbook lint --rules`."
        )
    print(f"{rule.id} {rule.name} ({rule.severity}): {rule.title}\n")
    print(textwrap.fill(rule.why, 78))
    for word, text in (("Has it", rule.bad), ("Has it not", rule.good)):
        if text:
            print(f"\n{word}:\n")
            print(textwrap.indent(printable(text.rstrip(), keep="\n"), "    "))
    print(f"\n{'--fix repairs it.' if rule.fixed else 'It is repaired by hand.'}")
    return 0
