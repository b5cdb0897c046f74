"""playbook list, show, schema, docs; lint and import have modules of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serialfix.cli import export, importing, lint
from serialfix.cli import options as o
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.playbook.load import LoadedPlaybook
    from serialfix.playbook.schema import Playbook


Name = Annotated[
    str,
    typer.Argument(metavar="PLAYBOOK", help="Name or file.", autocompletion=o.playbook_names),
]


def build() -> typer.Typer:
    """The commands about playbooks."""
    app = typer.Typer(
        help="See, check and make playbooks.", rich_markup_mode=None, no_args_is_help=True
    )
    app.command("list")(list_)
    app.command("show")(show)
    app.command("schema")(schema)
    app.command("export")(export.export)
    app.command("docs")(docs)
    app.command("lint")(lint.lint)
    app.command("import")(importing.import_)
    return app


def _known() -> Iterator[tuple[str, LoadedPlaybook]]:
    """All playbooks that can be named; those that are none are told of and left out."""
    from serialfix.errors import PlaybookError
    from serialfix.playbook.library import playbook_files
    from serialfix.playbook.load import load_playbook

    for name, path in playbook_files(os.environ).items():
        try:
            yield name, load_playbook(path)
        except PlaybookError as error:  # one bad file must not hide the others
            print(f"skipped: {printable(str(error))}", file=sys.stderr)


def list_(
    search: Annotated[
        str, o.option("--search", help="Only those with this in name, title or symptoms.")
    ] = "",
    output: o.Output = OutputFormat.TABLE,
) -> None:
    """List the playbooks that can be named."""
    from serialfix.report import machine, tables

    rows = [
        {
            "name": name,
            "version": loaded.playbook.version,
            "steps": len(loaded.playbook.steps),
            "restart": loaded.playbook.restart,
            "title": loaded.playbook.title,
        }
        for name, loaded in _known()
        if _has(name, loaded.playbook, search)
    ]
    if output is OutputFormat.TABLE:
        columns = ("name", "restart", "title")
        cells = ([str(row[column]) for column in columns] for row in rows)
        tables.console(sys.stdout).print(tables.grid(columns, cells))
    machine.write(rows, output, rows=rows)


def _has(name: str, playbook: Playbook, words: str) -> bool:
    texts = (name, playbook.title, *playbook.symptoms)
    return any(words.casefold() in text.casefold() for text in texts)


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
    """Show a playbook: its text and its parameters, or with -o json what was read from it."""
    from serialfix.playbook.load import find_playbook
    from serialfix.report import machine

    loaded = find_playbook(name)
    if offline:
        export.show_offline(loaded, drive=drive, control_sets=control_sets, given=set_)
        return
    if output is OutputFormat.TABLE:
        print(printable(loaded.text, keep="\n"), end="")
        for parameter, about in loaded.playbook.parameters.items():
            must = " It must be given." if parameter in loaded.needed else ""
            print(printable(f"# --set {parameter}={about.shown}  {about.why}{must}"))
        print(f"# sha256 {loaded.sha256}  {printable(loaded.path)}")
    data = loaded.playbook.model_dump(mode="json", by_alias=True)
    machine.write({**data, "sha256": loaded.sha256}, output, rows=data["steps"])


def schema() -> None:
    """Print the JSON Schema of the format, for editors."""
    from serialfix.playbook.schema import json_schema

    print(json.dumps(json_schema(), indent=2))


def docs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pages go.")],
) -> None:
    """Write a page for each playbook, and an index by what somebody sees."""
    from serialfix.errors import UsageError
    from serialfix.report import pages

    known = dict(_known())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, loaded in known.items():
            (folder / f"{name}.md").write_text(pages.page(loaded), "utf-8")
        index = pages.index(loaded.playbook for loaded in known.values())
        (folder / "README.md").write_text(index, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror or error}") from error
