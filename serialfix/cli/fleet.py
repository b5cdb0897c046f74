"""The commands about many VMs; fleet plan, which changes nothing, is here itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from serialfix.cli import fleet_runs, fleet_schedule, fleet_worker
from serialfix.cli import options as o
from serialfix.cli.fleet_options import (
    PolicyOptions,
    TargetOptions,
    planned,
    require_targets,
    with_groups,
)
from serialfix.report.formats import OutputFormat


if TYPE_CHECKING:
    from serialfix.fleet.plan import FleetPlan


def build() -> typer.Typer:
    """The commands about many VMs."""
    app = typer.Typer(help=_fleet.__doc__, rich_markup_mode=None, no_args_is_help=True)
    app.callback()(_fleet)
    for name, command in COMMANDS.items():
        # what is given as short is not cut off in the list of commands
        app.command(name, short_help=command.__doc__)(with_groups(command))
    app.add_typer(fleet_schedule.build(), name="schedule", short_help=fleet_schedule.HELP)
    return app


def _fleet() -> None:
    """Many VMs: in waves, within bounds, on a schedule."""


def plan(
    *,
    playbook: o.Playbook,
    set_: o.Set = None,
    which: TargetOptions,
    how: PolicyOptions,
    output: o.Output = OutputFormat.TABLE,
    only_show_errors: o.OnlyShowErrors = False,
) -> int:
    """Show which VMs a playbook would go to, in which waves, and what that takes."""
    made = planned(playbook, set_, which, how, quiet=only_show_errors)
    _show(made, output)
    require_targets(made)
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "plan": plan,
    "check": fleet_runs.check,
    "run": fleet_runs.run,
    "watch": fleet_runs.watch,
    "status": fleet_runs.status,
    "list": fleet_runs.list_,
    "show": fleet_runs.show,
    "report": fleet_runs.report,
    "pause": fleet_runs.pause,
    "resume": fleet_runs.resume,
    "cancel": fleet_runs.cancel,
    "retry": fleet_runs.retry,
    "undo": fleet_runs.undo,
    "worker": fleet_worker.worker,
}


def _show(made: FleetPlan, output: OutputFormat) -> None:
    from serialfix.cli.show import to_stdout
    from serialfix.fleet.plan import plan_json, rows
    from serialfix.fleet.view import plan_view
    from serialfix.report import machine, tables

    with to_stdout():
        if output is OutputFormat.TABLE:
            tables.console(sys.stdout).print(plan_view(made), crop=False)
        else:
            machine.write(plan_json(made), output, rows=rows(made))
