"""runs, runs show, runs pack: what was done on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from serialfix.cli import options as o
from serialfix.report.formats import OutputFormat, ReportFormat


def build() -> typer.Typer:
    """The commands about past runs."""
    app = typer.Typer(
        help="See the runs of this machine.", rich_markup_mode=None, invoke_without_command=True
    )
    app.callback()(list_)
    app.command("show")(show)
    app.command("pack")(pack)
    return app


def _state(state_dir: Path | None) -> Path:
    from serialfix.record.journal import default_state_dir

    return state_dir or default_state_dir(os.environ)


def list_(
    context: typer.Context,
    output: o.Output = OutputFormat.TABLE,
    state_dir: o.StateDir = None,
) -> None:
    """See the runs of this machine."""
    if context.invoked_subcommand:
        return
    from serialfix.printable import printable
    from serialfix.remediation.history import runs
    from serialfix.report import machine, tables

    rows = [asdict(run) for run in runs(_state(state_dir))]
    if output is OutputFormat.TABLE:
        if not rows:
            print("No runs yet.", file=sys.stderr)
            return
        cells = (
            [
                printable(str(cell))
                for cell in {**row, "started": row["started"][:16].replace("T", " ")}.values()
            ]
            for row in rows
        )
        view = tables.grid(tuple(rows[0]), cells)
        view.columns[0].no_wrap = True  # it is there to be copied
        tables.console(sys.stdout).print(view)
    machine.write(rows, output, rows=rows)


def show(
    run_id: o.RunId,
    output: o.Report = ReportFormat.TABLE,
    evidence: Annotated[
        bool, o.option("--evidence", help="Show the folder for the ticket, file by file.")
    ] = False,
    state_dir: o.StateDir = None,
) -> None:
    """Show the result of a run again, and whether its evidence is as it was written."""
    from serialfix.cli.show import show_result
    from serialfix.record.evidence import SUMS, contents, require_whole
    from serialfix.record.journal import RunStore
    from serialfix.remediation.looking_back import last_result

    folder = RunStore(_state(state_dir)).open(run_id)
    place = folder.path / "evidence"
    if evidence:
        _show_evidence(place, folder.run_id, output)
    else:
        show_result(last_result(folder), output)
    if (place / SUMS).exists():
        require_whole(place, contents(place))


def _show_evidence(place: Path, run_id: str, output: ReportFormat) -> None:
    from serialfix.errors import UsageError
    from serialfix.printable import printable
    from serialfix.record.evidence import contents
    from serialfix.report import machine, tables

    if output in (ReportFormat.JUNIT, ReportFormat.MARKDOWN):
        raise UsageError(
            f"--evidence is a list of files, which has no form as {output}",
            remedy="The folder holds report.md and junit.xml.",
        )
    _require(place, run_id)
    files = contents(place)
    if output is ReportFormat.TABLE:
        cells = ((each.name, str(each.bytes), each.state, each.what) for each in files)
        print(printable(str(place)))
        tables.console(sys.stdout).print(tables.grid(("file", "bytes", "", "what it is"), cells))
    rows = [asdict(each) for each in files]
    machine.write({"folder": str(place), "files": rows}, OutputFormat(output), rows=rows)


def pack(
    run_id: o.RunId,
    file: Annotated[
        Path | None, o.option("--file", "-o", help="Zip file to write; else RUN.zip here.")
    ] = None,
    state_dir: o.StateDir = None,
) -> None:
    """Put the evidence of a run into one zip file, for whoever gets the ticket."""
    from serialfix.printable import printable
    from serialfix.record.evidence import pack as packed
    from serialfix.record.journal import RunStore

    folder = RunStore(_state(state_dir)).open(run_id)
    place = folder.path / "evidence"
    _require(place, folder.run_id)
    target = file or Path(f"serialfix-{folder.run_id}.zip")
    count = len(packed(place, target))
    print(printable(str(target)))
    print(f"{count} files, and their checksums", file=sys.stderr)


def _require(place: Path, run_id: str) -> None:
    """Raises RecordError where there is no evidence."""
    from serialfix.errors import RecordError

    if not place.is_dir():
        raise RecordError(
            f"run {run_id} has no evidence: it was ended before its report",
            remedy=f"`serialfix runs show {run_id}` tells what its journal knows; "
            f"`serialfix resume {run_id}` goes on with it, and writes it.",
        )
