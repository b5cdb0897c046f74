"""A result on stdout, and its error on stderr."""

from __future__ import annotations

import os
import sys

from serialfix.model import RunResult
from serialfix.report import failure, machine, tables
from serialfix.report.formats import OutputFormat
from serialfix.result import run_json


def show_result(result: RunResult, output: OutputFormat) -> None:
    """Print a result in the format that is wanted."""
    try:
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(tables.result_view(result), crop=False)
        else:
            data = run_json(result)
            machine.write(data, output, rows=data["steps"])
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # `… | head`; rich exits then, but the code is the run's
        drop_stdout()
    for line in failure.lines(result.error) if result.error else ():
        print(line, file=sys.stderr)


def drop_stdout() -> None:
    """Nobody reads any more: let the interpreter flush into nothing at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
