"""runs, runs show: what was done on this machine."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from serialfix.cli import options as o
from serialfix.report.formats import OutputFormat


def build() -> typer.Typer:
    """The commands about past runs."""
    app = typer.Typer(
        help="See the runs of this machine.", rich_markup_mode=None, invoke_without_command=True
    )
    app.callback()(list_)
    app.command("show")(show)
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
    output: o.Output = OutputFormat.TABLE,
    state_dir: o.StateDir = None,
) -> None:
    """Show the result of a run again."""
    from serialfix.cli.show import show_result
    from serialfix.errors import RecordError
    from serialfix.record.journal import RunStore
    from serialfix.result import run_from_json

    folder = RunStore(_state(state_dir)).open(run_id)
    evidence = folder.path / "evidence"
    try:
        stored = json.loads((evidence / "result.json").read_text("utf-8"))
        result = run_from_json({**stored, "evidence": str(evidence)})
    except FileNotFoundError:
        raise RecordError(
            f"run {folder.run_id} has no result: it was ended before its report",
            remedy=f"`serialfix resume {folder.run_id}` goes on with it."
            f" Its journal: {folder.journal_path}",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{evidence / 'result.json'} cannot be read: {error}") from error
    show_result(result, output)
