"""A result on stdout, and its error on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from serialfix.model import RunResult
from serialfix.report import failure
from serialfix.report.formats import OutputFormat, ReportFormat


def show_result(result: RunResult, output: ReportFormat) -> None:
    """Print a result in the format that is wanted."""
    with to_stdout():
        _print(result, output)
    for line in failure.lines(result.error) if result.error else ():
        print(line, file=sys.stderr)


def _print(result: RunResult, output: ReportFormat) -> None:
    from serialfix.report import junit, machine, markdown, tables
    from serialfix.result import run_json

    match output:
        case ReportFormat.TABLE:
            tables.console(sys.stdout).print(tables.result_view(result), crop=False)
        case ReportFormat.JUNIT:
            print(junit.document([result]), end="")
        case ReportFormat.MARKDOWN:
            print(markdown.report(result), end="")
        case _:
            data = run_json(result)
            machine.write(data, OutputFormat(output), rows=data["steps"])


@contextmanager
def to_stdout() -> Iterator[None]:
    """For writing a result: that nobody reads to its end (`… | head`) is no error."""
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich exits then, but the code is the command's
        drop(sys.stdout)


def drop(stream: TextIO) -> None:
    """Nobody reads any more: let the interpreter flush into nothing at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
