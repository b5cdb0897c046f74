"""offline apply, offline undo: playbooks on the hives of a disk that is attached here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serialfix.cli import options as o
from serialfix.printable import printable
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.model import RegistryValue
    from serialfix.offline.apply import OfflineResult


_SHOWN = 16
"""So many bytes are shown."""
SCHEMA = "serialfix.offline/1"
SystemHive = Annotated[
    Path | None, o.option("--system-hive", help="Windows/System32/config/SYSTEM of the disk.")
]
SoftwareHive = Annotated[
    Path | None, o.option("--software-hive", help="Windows/System32/config/SOFTWARE of the disk.")
]


def build() -> typer.Typer:
    """The commands about hives."""
    app = typer.Typer(
        help="Repair the disk of a VM that is attached to this machine.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    app.command("apply")(apply)
    app.command("undo")(undo)
    return app


def apply(
    *,
    playbook: o.Playbook,
    system_hive: SystemHive = None,
    software_hive: SoftwareHive = None,
    set_: o.Set = None,
    check: o.Check = False,
    exit_code: o.ExitCode = False,
    output: o.Output = OutputFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
) -> int:
    """Apply a playbook to registry hives; each is kept beside the file before it is changed."""
    from serialfix.cli.ask import ask_yes, require_consent
    from serialfix.model import Outcome
    from serialfix.offline.apply import apply as work
    from serialfix.playbook.load import bind, find_playbook
    from serialfix.report import tables

    if not check:
        require_consent(yes=yes, no_input=no_input)
    loaded = bind(find_playbook(playbook), o.settings(set_))
    given = {"SYSTEM": system_hive, "SOFTWARE": software_hive}

    def decide(plan: OfflineResult) -> bool:
        if yes:
            return True
        _print_table(plan, tables.console(sys.stderr))
        return ask_yes(f"Change {plan.changes} values?")

    paths = {kind: path for kind, path in given.items() if path is not None}
    result = work(loaded, paths, check=check, decide=decide)
    code = o.WORK_TO_DO if check and exit_code and result.outcome is Outcome.WOULD_CHANGE else 0
    _show(result, code, output)
    return code


def undo(
    *,
    backup: Annotated[Path, o.option("--backup", help="What `apply` kept: FILE.serialfix-TIME.")],
    check: o.Check = False,
    output: o.Output = OutputFormat.TABLE,
    yes: o.Yes = False,
    no_input: o.NoInput = False,
) -> int:
    """Put a hive back as it was, unless something has changed it since."""
    from serialfix.cli.ask import ask_yes, require_consent
    from serialfix.offline.apply import undo as work
    from serialfix.report import machine

    if not check:
        require_consent(yes=yes, no_input=no_input)
    outcome, path = work(backup, check=check, decide=lambda text: yes or ask_yes(text))
    if output is OutputFormat.TABLE:
        print(f"{printable(str(path))}: {outcome}")
    data = {"schema": SCHEMA, "outcome": outcome, "path": str(path), "backup": str(backup)}
    machine.write(data, output, rows=[data])
    return 0


def _show(result: OfflineResult, code: int, output: OutputFormat) -> None:
    from serialfix.report import machine, tables

    if output is OutputFormat.TABLE:
        _print_table(result, tables.console(sys.stdout))
    data = offline_json(result, code)
    machine.write(data, output, rows=data["steps"])


def _print_table(result: OfflineResult, console: Any) -> None:
    """Before and after of every value, key by key; then what else there is to know."""
    from rich.text import Text

    from serialfix.playbook.offline import bcd_line
    from serialfix.report import tables

    keys: dict[str, list[Any]] = {}
    for step in result.steps:
        place = step.edit.place
        row = (place.name, _value(step.before), _value(step.after))
        outcome = tables.outcome_text(step.outcome)
        keys.setdefault(f"{place.hive}\\{place.path}", []).append((*row, outcome))
    for key, rows in keys.items():
        console.print(Text(printable(key), style="bold"), soft_wrap=True)
        console.print(tables.grid(("value", "before", "after", ""), rows))
        console.print()
    notes = [f"Warning: {text}" for text in result.warnings]
    notes += [f"Not done: step {left.step}, {left.what}: {left.reason}" for left in result.left_out]
    notes += [f"Still to do on Windows: {bcd_line(edit)}" for edit in result.twin.boot]
    notes += [f"Lowers security: {text}" for text in result.lowered]
    notes += [f"backup     {each.backup}" for each in result.backups]
    for note in notes:
        console.print(Text(printable(note)), soft_wrap=note.startswith("backup"))
    console.print(f"{result.loaded.playbook.name}: ", tables.outcome_text(result.outcome), sep="")
    if result.backups:
        console.print(Text("`serialfix offline undo --backup FILE` puts a hive back."))


def _value(value: RegistryValue | None) -> str:
    """A value for the table; long bytes, such as certificates, by their number."""
    from serialfix.report.states import shown

    if value is not None and isinstance(value.data, bytes) and len(value.data) > _SHOWN:
        return f"{value.type}, {len(value.data)} bytes"
    return shown(value)


def offline_json(result: OfflineResult, code: int) -> dict[str, Any]:
    """The result as `serialfix.offline/1`; null means: no such value."""
    from serialfix.playbook.offline import bcd_line

    playbook = result.loaded.playbook
    return {
        "schema": SCHEMA,
        "playbook": {
            "name": playbook.name,
            "version": playbook.version,
            "sha256": result.loaded.sha256,
        },
        "outcome": result.outcome,
        "exit_code": code,
        "control_sets": list(result.sets),
        "steps": [
            {
                "id": step.edit.step,
                "hive": step.edit.place.hive,
                "key": step.edit.place.path,
                "value": step.edit.place.name,
                "outcome": step.outcome,
                "before": step.before,
                "after": step.after,
            }
            for step in result.steps
        ],
        "boot": [bcd_line(edit) for edit in result.twin.boot],
        "left_out": [
            {"step": left.step, "what": left.what, "reason": left.reason}
            for left in result.left_out
        ],
        "warnings": list(result.warnings),
        "hives": [
            {
                "hive": each.hive,
                "path": str(each.path),
                "backup": str(each.backup),
                "sha256": each.sha256,
            }
            for each in result.backups
        ],
    }
