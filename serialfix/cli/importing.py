"""playbook import: a troubleshooting article becomes a playbook."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serialfix.cli import options as o
from serialfix.cli.lint import read_text, write_text
from serialfix.printable import printable


if TYPE_CHECKING:
    from serialfix.playbook.imported import Imported


Article = Annotated[
    Path, typer.Argument(metavar="ARTICLE", help="A Markdown or text file, in any language.")
]
Target = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="The playbook's file; none: stdout."),
]
Name = Annotated[
    str | None, typer.Option("--name", help="Name of the playbook; else that of the file.")
]


def import_(article: Article, output: Target = None, name: Name = None, yes: o.Yes = False) -> int:
    """Make a playbook of a troubleshooting article.

    What was repaired, and what was not understood, is told on stderr.
    """
    from serialfix.errors import PlaybookError
    from serialfix.playbook.importer import import_article
    from serialfix.playbook.lint import lint
    from serialfix.playbook.rules import Severity
    from serialfix.playbook.wanted import kebab

    if output is not None and output.exists() and not yes:
        raise PlaybookError(
            "there is such a file already", file=str(output), remedy="--yes replaces it."
        )
    given = name or kebab((output or article).name.partition(".")[0])
    imported = import_article(read_text(article), source=article.name, name=given)
    if output is None:
        print(printable(imported.text, keep="\n"), end="")
    else:
        write_text(output, imported.text)
    for line in _account(imported):
        print(printable(line), file=sys.stderr)
    found = lint(imported.text, file=str(output or f"{given}.yaml"))
    for each in found:
        place = f"{printable(str(output or given))}:{each.line}:{each.column}"
        print(
            f"{place}: {each.rule.id} {each.rule.severity}: {printable(each.message)}",
            file=sys.stderr,
        )
    return 2 if any(each.rule.severity is Severity.ERROR for each in found) else 0


def _wrapped(row: str) -> list[str]:
    import textwrap

    return textwrap.wrap(row, 79, subsequent_indent="  ", break_on_hyphens=False)


def _account(imported: Imported) -> list[str]:
    """What became of the article, line by line."""
    from serialfix.playbook.imported import Fate, grouped

    playbook = imported.playbook.playbook
    count = len(playbook.steps)
    rows = [f"{playbook.name}: {count} step{'s' * (count != 1)}, restart {playbook.restart}"]
    for what, lines, count in grouped(imported.repairs):
        times = f", {count} times" if count > 1 else ""
        rows += _wrapped(f"repaired: {what}{times}: {lines}")
    offline = sum(entry.fate is Fate.OFFLINE for entry in imported.entries)
    if offline:
        rows.append(f"{offline} commands are for the disk of a VM that is off: {imported.compared}")
    rows += [f"offline part: {each}" for each in imported.differences]
    for entry in imported.entries:
        if entry.fate is Fate.NO_STEP:
            rows.append(f"line {entry.line}: no step: {entry.text} ({entry.note})")
        elif entry.fate is Fate.UNKNOWN:
            rows.append(f"line {entry.line}: not understood: {entry.text} ({entry.note})")
    return rows
