"""playbook list, show, schema."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from serialfix.cli import export
from serialfix.cli import options as o
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


Name = Annotated[
    str,
    typer.Argument(metavar="PLAYBOOK", help="Name or file.", autocompletion=o.playbook_names),
]


def build() -> typer.Typer:
    """The commands about playbooks."""
    app = typer.Typer(help="See the playbooks.", rich_markup_mode=None, no_args_is_help=True)
    app.command("list")(list_)
    app.command("show")(show)
    app.command("schema")(schema)
    app.command("export")(export.export)
    return app


def list_(output: o.Output = OutputFormat.TABLE) -> None:
    """List the playbooks that can be named."""
    from serialfix.errors import PlaybookError
    from serialfix.playbook.library import playbook_files
    from serialfix.playbook.load import load_playbook
    from serialfix.report import machine, tables

    rows = []
    for name, path in playbook_files(os.environ).items():
        try:
            playbook = load_playbook(path).playbook
        except PlaybookError as error:  # one bad file must not hide the others
            print(f"skipped: {printable(str(error))}", file=sys.stderr)
            continue
        rows.append(
            {
                "name": name,
                "version": playbook.version,
                "steps": len(playbook.steps),
                "restart": playbook.restart,
                "title": playbook.title,
            }
        )
    if output is OutputFormat.TABLE:
        cells = ([str(cell) for cell in row.values()] for row in rows)
        view = tables.grid(("name", "version", "steps", "restart", "title"), cells)
        tables.console(sys.stdout).print(view)
    machine.write(rows, output, rows=rows)


def show(
    name: Name,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="As commands for a recovery VM with the disk.")
    ] = False,
    drive: Annotated[
        str, typer.Option("--drive", help="With --offline: letter of the attached disk.")
    ] = "F:",
    control_sets: Annotated[
        str, typer.Option("--control-sets", help="With --offline: such as 1,2; else from Select.")
    ] = "",
    set_: o.Set = None,
    output: o.Output = OutputFormat.TABLE,
) -> None:
    """Show a playbook: its text, or with -o json what was read from it."""
    from serialfix.playbook.load import find_playbook
    from serialfix.report import machine

    loaded = find_playbook(name)
    if offline:
        export.show_offline(loaded, drive=drive, control_sets=control_sets, given=set_)
        return
    if output is OutputFormat.TABLE:
        print(printable(loaded.text, keep="\n"), end="")
        print(f"# sha256 {loaded.sha256}  {printable(loaded.path)}")
    data = loaded.playbook.model_dump(mode="json", by_alias=True)
    machine.write({**data, "sha256": loaded.sha256}, output, rows=data["steps"])


def schema() -> None:
    """Print the JSON Schema of the format, for editors."""
    from serialfix.playbook.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
